// What this browser can't do on this page: found by its features, not by its name.

/** Sentences for people. `view`: the window. */
export function limitsOf(view = window) {
  const { document, navigator } = view;
  const limits = [];
  if (!document.fullscreenEnabled) limits.push('Full screen: this browser has none for pages.');
  if (navigator.clipboard === undefined)
    limits.push('Clipboard of this computer: over http, a page cannot read it. Paste with the keyboard.');
  // https://wicg.github.io/keyboard-lock/ A phone's keyboard has no such keys.
  if (navigator.keyboard?.lock === undefined && !view.matchMedia('(pointer: coarse)').matches)
    limits.push('Keys such as Alt Tab and Ctrl W: this browser keeps them. Send others with “Keys”.');
  return limits;
}

/** Keys of the browser go to the desktop in full screen, where the browser can do that. Escape then leaves if it is held. */
export function lockKeys(yes) {
  if (yes) navigator.keyboard?.lock?.().catch(() => {});
  else navigator.keyboard?.unlock?.();
}

/** Copies a text. Without `navigator.clipboard`, as over http, the older command copies the selected text of a field. */
export async function copyText(text) {
  if (navigator.clipboard !== undefined) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const field = document.createElement('textarea');
  field.value = text;
  field.style.cssText = 'position: fixed; top: 0; opacity: 0';
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand('copy');
  field.remove();
  if (!isCopied) throw new Error('not copied');
}

// Detects the features that this browser lacks on this page.

/** The missing features, as sentences for the user. `view`: the window. */
export function limitsOf(view = window) {
  const { document, navigator } = view;
  const limits = [];
  if (!document.fullscreenEnabled) limits.push('Full screen: not available to pages in this browser.');
  if (navigator.clipboard === undefined)
    limits.push('Clipboard of this computer: pages cannot read it over http. Paste with the keyboard.');
  // https://wicg.github.io/keyboard-lock/ Phone keyboards lack these keys.
  if (navigator.keyboard?.lock === undefined && !view.matchMedia('(pointer: coarse)').matches)
    limits.push(
      'Keys such as Alt Tab and Ctrl W: this browser handles them itself. “Keys” sends other keys.',
    );
  return limits;
}

/** In full screen, sends the browser's own keys to the desktop, if the browser supports this. Holding Escape then leaves full screen. */
export function lockKeys(yes) {
  if (yes) navigator.keyboard?.lock?.().catch(() => {});
  else navigator.keyboard?.unlock?.();
}

/** Copies a text. Without `navigator.clipboard`, such as over http, `execCommand` copies the selected text of a field. */
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

import type { BrowserPage } from '../support/browser-page.js';

/**
 * What is wrong with the page at the size of the window: it scrolls sideways, or a control is lower or narrower than 24 pixels
 * (https://www.w3.org/TR/WCAG22/#target-size-minimum), or something else lies over a control, or a text is cut off or lies over
 * another text.
 */
export function layoutFaults(page: BrowserPage): Promise<string[]> {
  return page.evaluate(findFaults, 24);
}

function findFaults(least: number): string[] {
  const faults: string[] = [];
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`the page is ${scrollWidth} pixels wide, of ${clientWidth}`);
  const controls = [
    ...document.querySelectorAll<HTMLElement>(
      'button, a[href], input, select, textarea, summary, [role="slider"]',
    ),
  ]
    // The fields that only receive the keys of a phone's keyboard.
    .filter((element) => element.id !== 'typing' && !element.classList.contains('xterm-helper-textarea'))
    .map((element) => element.closest<HTMLElement>('label') ?? element)
    .filter((element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }));
  const dialog = document.querySelector('dialog[open]');
  /** The texts of the page, without those for screen readers only, the keys of a desktop and the lines of a terminal. */
  const texts = [...document.querySelectorAll<HTMLElement>('body *')]
    .filter((element) =>
      [...element.childNodes].some(({ nodeType, nodeValue }) => nodeType === 3 && nodeValue?.trim()),
    )
    .filter((element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
    .filter(
      (element) =>
        getComputedStyle(element).clipPath === 'none' && !element.closest('script, select, .xterm'),
    );
  for (const element of texts)
    if (getComputedStyle(element).overflowX !== 'visible' && element.scrollWidth > element.clientWidth)
      faults.push(`${location.pathname} ${element.textContent.trim()}: cut off`);
  const layer = (element: Element) => element.closest('.panel, .menu, .overlay, dialog, [popover]');
  const lines = texts.flatMap((element) => {
    const range = document.createRange();
    return [...element.childNodes]
      .filter(({ nodeType }) => nodeType === 3)
      .flatMap((node) => {
        range.selectNodeContents(node);
        return [...range.getClientRects()].map((rect) => ({ element, rect }));
      });
  });
  for (const [at, { element, rect }] of lines.entries())
    for (const other of lines.slice(at + 1)) {
      if (other.element === element || layer(other.element) !== layer(element)) continue;
      const across = Math.min(rect.right, other.rect.right) - Math.max(rect.left, other.rect.left);
      const down = Math.min(rect.bottom, other.rect.bottom) - Math.max(rect.top, other.rect.top);
      // Boxes of letters are higher than the letters.
      if (across > 1 && down > 6)
        faults.push(
          `${location.pathname} ${element.textContent.trim()}: over ${other.element.textContent.trim()}`,
        );
    }
  for (const control of new Set(controls)) {
    if (dialog && !dialog.contains(control)) continue;
    const name = `${location.pathname} ${control.id || control.textContent.trim() || control.outerHTML.slice(0, 60)}`;
    control.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const { left, top, right, bottom, width, height } = control.getBoundingClientRect();
    const isInText = getComputedStyle(control).display === 'inline';
    if (!isInText && (width < least || height < least))
      faults.push(`${name}: ${Math.round(width)} by ${Math.round(height)} pixels`);
    if (isInText) continue;
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    const places = [
      [x, y],
      [left + 3, y],
      [right - 3, y],
      [x, top + 3],
      [x, bottom - 3],
    ] as const;
    for (const [at, on] of places) {
      const hit = document.elementFromPoint(at, on);
      if (hit === null) faults.push(`${name}: outside of the window at ${Math.round(at)}, ${Math.round(on)}`);
      else if (!control.contains(hit))
        faults.push(`${name}: under ${hit.id || hit.className || hit.localName}`);
    }
  }
  window.scrollTo(0, 0);
  return [...new Set(faults)];
}

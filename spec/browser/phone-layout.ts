import type { BrowserPage } from '../support/browser-page.js';

/**
 * What is wrong with the page at the size of the window: it scrolls sideways, or a control is lower or narrower than 24 pixels
 * (https://www.w3.org/TR/WCAG22/#target-size-minimum), or something else lies over a control.
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

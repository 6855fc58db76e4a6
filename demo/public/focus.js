// The way between the desktop and the page for those without a mouse. The desktop swallows every key, Tab included: Ctrl Alt Shift M
// leads out of it and back; so does Escape from the toolbar.
import { byId } from './dom.js';

const hint = byId('hint');
const screen = byId('screen');

/** `toDesktop()` puts the focus on the desktop; false where there is none. */
export function setUpFocus(toDesktop) {
  const isWayOut = ({ code, ctrlKey, altKey, shiftKey }) => code === 'KeyM' && ctrlKey && altKey && shiftKey;

  window.addEventListener(
    'keydown',
    (event) => {
      if (!isWayOut(event)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const inside = screen.contains(document.activeElement) || document.activeElement === byId('typing');
      if (!inside && toDesktop()) return;
      // The blur makes noVNC release the keys that it believes to be held.
      window.dispatchEvent(new Event('blur'));
      byId('clipboard').focus();
      hint.hidden = false;
    },
    true,
  );
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.defaultPrevented) return;
    if (event.target.closest?.('.toolbar, .keys') === null || byId('user-menu').matches(':popover-open'))
      return;
    event.preventDefault();
    toDesktop();
  });
  document.addEventListener('focusin', (event) => {
    if (event.target.closest?.('.toolbar') === null) hint.hidden = true;
  });
  // Reached by Tab as well.
  screen.addEventListener('focus', toDesktop);
}

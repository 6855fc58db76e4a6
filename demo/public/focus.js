// Moves the focus between the desktop and the toolbar without a mouse. The desktop gets every key, Tab included. Ctrl Alt Shift M
// moves the focus from the desktop to the toolbar and back; in the toolbar, Escape moves the focus back too.
import { byId } from './dom.js';

const hint = byId('hint');
const screen = byId('screen');

/** `toDesktop()` puts the focus on the desktop; returns false if no desktop is on the screen. */
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
      // After a blur, noVNC releases the keys that are down on the desktop.
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
  // Tab reaches the screen element: pass the focus on to the desktop.
  screen.addEventListener('focus', toDesktop);
}

// A panel over the stage, and the button that opens it. At most one panel is open.
const panels = [];

/** `focus()` puts the focus on the panel's first control; `opened()` is called first. */
export function setUpPanel({ panel, toggle, closer, focus, opened = () => {} }) {
  const open = (yes) => {
    if (yes) for (const other of panels) other.open(false);
    panel.hidden = !yes;
    toggle.setAttribute('aria-expanded', String(yes));
    if (yes) {
      opened();
      focus();
    } else if (panel.contains(document.activeElement) || document.activeElement === document.body) {
      toggle.focus();
    }
  };
  const self = { open: (yes) => yes === panel.hidden && open(yes) };
  panels.push(self);
  toggle.addEventListener('click', () => open(panel.hidden));
  closer.addEventListener('click', () => open(false));
  panel.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    open(false);
    event.preventDefault();
  });
  return self;
}

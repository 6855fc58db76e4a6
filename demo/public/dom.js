// Helpers for all modules.
export const byId = (id) => document.getElementById(id);

/** Shows another icon of the sprite in index.html. */
export function setIcon(button, name) {
  button.querySelector('use').setAttribute('href', `#i-${name}`);
}

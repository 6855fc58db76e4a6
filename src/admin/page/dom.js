// Helpers for all modules. Text from the server reaches the document as text nodes and attributes only.
export const byId = (id) => document.getElementById(id);

/** An element with a class and children: elements and texts. */
export function element(name, className = '', ...children) {
  const made = document.createElement(name);
  if (className !== '') made.className = className;
  made.append(...children);
  return made;
}

/** Writes only what differs: each write costs a layout. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function setAttribute(target, name, value) {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

/** The characters that change the order or the lines of a text: controls, direction marks, line separators. */
// eslint-disable-next-line no-control-regex -- user names may contain control characters
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

const escapeOf = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A text of a client as one line of limited length. Invisible characters are shown as escapes. */
export function plain(text, most = 300) {
  const whole = String(text);
  const shown = whole.length > most ? `${whole.slice(0, most)}…` : whole;
  return shown.replace(UNSEEN, escapeOf);
}

/** The selected text, read once per change: each access to a Selection may cost a layout. */
let selected;
document.addEventListener('selectionchange', () => {
  const selection = document.getSelection();
  selected = selection === null || selection.isCollapsed ? undefined : selection.getRangeAt(0);
});

/** Has the user selected text in the element? A write would remove the selection. */
export const hasSelection = (target) => selected !== undefined && selected.intersectsNode(target);

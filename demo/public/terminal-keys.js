// Keys that a phone's keyboard lacks. Ctrl applies to the next key.
import { byId } from './dom.js';

const bar = byId('keys');
const control = bar.querySelector('[data-key="control"]');

const escape = '\x1b';
const plain = { escape, tab: '\t', interrupt: '\x03' };
const arrows = { up: 'A', down: 'B', right: 'C', left: 'D' };

/** `send(text)` sends keys to the shell. */
export function setUpSoftKeys(terminal, send) {
  let isControl = false;

  function setControl(yes) {
    isControl = yes;
    control.setAttribute('aria-pressed', String(yes));
  }

  /** The keys, as Ctrl makes them: Ctrl A to Ctrl _ are the first 32 characters. */
  function apply(text) {
    if (!isControl) return text;
    setControl(false);
    const upper = text.toUpperCase();
    return text.length === 1 && upper >= '@' && upper <= '_'
      ? String.fromCharCode(upper.charCodeAt(0) & 0x1f)
      : text;
  }

  function press(key) {
    if (key === 'control') {
      setControl(!isControl);
      return;
    }
    const arrow = arrows[key];
    // Full-screen programs switch the arrows: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html (DECCKM)
    const start = terminal.modes.applicationCursorKeysMode ? `${escape}O` : `${escape}[`;
    send(arrow === undefined ? apply(plain[key] ?? key) : start + arrow);
    terminal.scrollToBottom();
  }

  // The terminal keeps the focus, so that the phone keeps its keyboard.
  for (const type of ['pointerdown', 'mousedown'])
    bar.addEventListener(type, (event) => event.preventDefault());
  bar.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button) press(button.dataset.key);
  });
  return { apply };
}

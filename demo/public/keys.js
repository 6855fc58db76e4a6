// Keys that a keyboard may lack or that the browser intercepts, and the on-screen keyboard of phones and tablets.
import KeyTable from '/novnc/core/input/keysym.js';
import Keyboard from '/novnc/core/input/keyboard.js';
import keysyms from '/novnc/core/input/keysymdef.js';
import { byId } from './dom.js';

const bar = byId('keys');
const more = byId('keys-more');
const toggle = byId('keyboard');
const field = byId('typing');
const moreButton = byId('keys-more-toggle');

/** The keys of the bar, by their codes on a physical keyboard. */
const symbols = {
  Escape: KeyTable.XK_Escape,
  Tab: KeyTable.XK_Tab,
  ControlLeft: KeyTable.XK_Control_L,
  AltLeft: KeyTable.XK_Alt_L,
  ShiftLeft: KeyTable.XK_Shift_L,
  MetaLeft: KeyTable.XK_Super_L,
  ArrowLeft: KeyTable.XK_Left,
  ArrowUp: KeyTable.XK_Up,
  ArrowDown: KeyTable.XK_Down,
  ArrowRight: KeyTable.XK_Right,
  Insert: KeyTable.XK_Insert,
  Delete: KeyTable.XK_Delete,
  Home: KeyTable.XK_Home,
  End: KeyTable.XK_End,
  PageUp: KeyTable.XK_Page_Up,
  PageDown: KeyTable.XK_Page_Down,
};
for (let number = 1; number <= 12; number++) symbols[`F${number}`] = KeyTable[`XK_F${number}`];

/** Text to erase, since on some phones an empty field gets no Backspace. */
const padding = ' '.repeat(32);
const longest = 256;

/** The number of characters erased at the end of the text, and the text added there. */
function difference(before, after) {
  const [was, is] = [[...before], [...after]];
  let same = 0;
  while (same < was.length && same < is.length && was[same] === is[same]) same += 1;
  return { erased: was.length - same, added: is.slice(same) };
}

/** `rfb()` returns the current connection, or undefined. */
export function setUpKeys(rfb) {
  const held = new Map(); // The buttons of the modifiers that are down, by code.
  let shown = padding;

  const send = (symbol, code, down) => rfb()?.sendKey(symbol, code, down);

  function release() {
    for (const [code, button] of held) {
      send(symbols[code], code, false);
      button.setAttribute('aria-pressed', 'false');
    }
    held.clear();
  }

  /** Sends a key, then releases the modifiers of the bar: a modifier applies to one key. */
  function tap(symbol, code) {
    send(symbol, code);
    release();
  }

  function press(button) {
    const { code } = button.dataset;
    if (!button.hasAttribute('aria-pressed')) {
      tap(symbols[code], code);
      return;
    }
    const down = !held.has(code);
    send(symbols[code], code, down);
    if (down) held.set(code, button);
    else held.delete(code);
    button.setAttribute('aria-pressed', String(down));
  }

  function resetField() {
    field.value = shown = padding;
    field.setSelectionRange(padding.length, padding.length);
  }

  // Handles keys with a code. Text from a phone's keyboard has no code, and is handled below.
  const keyboard = new Keyboard(field);
  keyboard.onkeyevent = (symbol, code, down) => {
    send(symbol, code, down);
    if (!down && !/^(Control|Alt|Shift|Meta)/.test(code)) release();
  };
  field.addEventListener('input', (event) => {
    const { erased, added } = difference(shown, field.value);
    shown = field.value;
    for (let times = 0; times < erased; times += 1) tap(KeyTable.XK_BackSpace, 'Backspace');
    for (const char of added) {
      if (char === '\n') tap(KeyTable.XK_Return, 'Enter');
      else tap(keysyms.lookup(char.codePointAt(0)));
    }
    // Not during a composition: the keyboard would insert the word again.
    if (!event.isComposing && (shown.length > longest || shown.length <= padding.length / 2)) resetField();
  });
  field.addEventListener('compositionend', resetField);
  // A physical key releases the modifiers of the bar as well.
  byId('screen').addEventListener('keyup', () => setTimeout(release), true);

  function open(yes) {
    bar.hidden = !yes;
    toggle.setAttribute('aria-expanded', String(yes));
    const connection = rfb();
    // Otherwise a tap on the desktop would hide the keyboard.
    if (connection) connection.focusOnClick = !yes;
    if (yes) {
      resetField();
      keyboard.grab();
      field.focus({ preventScroll: true });
    } else {
      release();
      keyboard.ungrab();
      if (document.activeElement === field) connection?.focus({ preventScroll: true });
    }
  }

  toggle.addEventListener('click', () => open(bar.hidden));
  // The field keeps the focus, so that the phone keeps its keyboard.
  bar.addEventListener('pointerdown', (event) => event.preventDefault());
  bar.addEventListener('mousedown', (event) => event.preventDefault());
  bar.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-code]');
    if (button) press(button);
  });
  moreButton.addEventListener('click', () => {
    more.hidden = !more.hidden;
    moreButton.setAttribute('aria-expanded', String(!more.hidden));
  });

  const dialog = byId('cad-dialog');
  byId('cad').addEventListener('click', () => dialog.showModal());
  byId('cad-cancel').addEventListener('click', () => dialog.close());
  byId('cad-send').addEventListener('click', () => {
    release();
    rfb()?.sendCtrlAltDel();
    dialog.close();
  });

  return {
    get open() {
      return !bar.hidden;
    },
    enable(yes) {
      toggle.disabled = !yes;
      if (yes || bar.hidden) return;
      if (dialog.open) dialog.close();
      held.clear();
      for (const button of bar.querySelectorAll('[aria-pressed]'))
        button.setAttribute('aria-pressed', 'false');
      open(false);
    },
  };
}

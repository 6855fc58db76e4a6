// Copy and paste: Ctrl Shift C and V, as in other terminals, and the buttons of the page. Ctrl C stays the interrupt.
import { byId } from './dom.js';
import { copyText } from './limits.js';

const toast = byId('toast');
let timer;

function say(words) {
  clearTimeout(timer);
  toast.textContent = words;
  toast.hidden = false;
  timer = setTimeout(() => (toast.hidden = true), 2500);
}

/** The lines on the screen, without the empty ones at the end. */
function visibleText({ buffer, rows }) {
  const { active } = buffer;
  const lines = Array.from(
    { length: rows },
    (_, at) => active.getLine(active.viewportY + at)?.translateToString(true) ?? '',
  );
  return lines.join('\n').trimEnd();
}

export function setUpClipboard(terminal) {
  const hasTouch = window.matchMedia('(pointer: coarse)').matches;

  async function copy() {
    const selection = terminal.getSelection();
    const text = selection || visibleText(terminal);
    try {
      if (text !== '') await copyText(text);
      if (text === '') say('There is nothing to copy');
      else say(selection ? 'Copied the selection' : 'Copied what is visible');
    } catch {
      say('The browser did not allow copying');
    }
    terminal.focus();
  }

  async function paste() {
    // At once: reading takes a moment, and Enter would press the button again.
    terminal.focus();
    try {
      const text = await navigator.clipboard.readText();
      terminal.paste(text);
      if (text === '') say('The clipboard has no text');
    } catch {
      const why =
        navigator.clipboard === undefined
          ? 'Over http, a page cannot read the clipboard'
          : 'The browser did not allow pasting';
      say(hasTouch ? why : `${why}: press Ctrl Shift V`);
    }
    terminal.focus();
  }

  terminal.attachCustomKeyEventHandler((event) => {
    if (!event.ctrlKey || !event.shiftKey || event.altKey || event.metaKey) return true;
    if (event.code === 'KeyC') {
      event.preventDefault();
      if (event.type === 'keydown' && terminal.hasSelection()) void copy();
      return false;
    }
    // The browser pastes by itself, which needs no permission.
    return event.code !== 'KeyV';
  });
  byId('copy').addEventListener('click', () => void copy());
  byId('paste').addEventListener('click', () => void paste());
}

// The clipboard panel: text to and from the desktop.
import { byId } from './dom.js';
import { copyText } from './limits.js';
import { setUpPanel } from './panel.js';

const panel = byId('clipboard-panel');
const toggle = byId('clipboard');
const text = byId('clipboard-text');
const note = byId('clipboard-note');
const send = byId('clipboard-send');
const copy = byId('clipboard-copy');
const show = byId('clipboard-show');

let unsent = false; // True while the field has text that the user has not sent: do not overwrite it.
let received = ''; // The last text from the desktop.

const now = () => new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

function say(words, kind = '') {
  note.textContent = words;
  note.dataset.kind = kind;
}

function take() {
  text.value = received;
  unsent = false;
  show.hidden = true;
  say(`Received from the desktop at ${now()}`, 'good');
}

/** `deliver(text)` sends the text to the desktop. */
export function setUpClipboard(deliver) {
  const self = setUpPanel({
    panel,
    toggle,
    closer: byId('clipboard-close'),
    opened: () => delete toggle.dataset.news,
    focus: () => text.focus(),
  });
  panel.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || send.disabled) return;
    send.click();
    event.preventDefault();
  });
  text.addEventListener('input', () => {
    unsent = text.value !== '';
    if (show.hidden) say('');
  });
  show.addEventListener('click', take);
  send.addEventListener('click', () => {
    deliver(text.value);
    unsent = false;
    show.hidden = true;
    // Plain VNC supports Latin-1 only. Other characters need a server with the extended clipboard.
    const beyond = [...text.value].some((char) => char.codePointAt(0) > 0xff);
    say(beyond ? 'Sent. Special characters may arrive as “?”' : `Sent to the desktop at ${now()}`, 'good');
  });
  copy.addEventListener('click', async () => {
    try {
      await copyText(text.value);
      say('Copied to this computer', 'good');
    } catch {
      text.focus();
      text.select();
      say('The browser did not allow copying: press Ctrl+C', 'bad');
    }
  });

  return {
    /** The desktop's clipboard changed. */
    receive(words) {
      received = words;
      if (unsent) {
        show.hidden = false;
        say('The desktop has new text', 'good');
      } else {
        take();
      }
      if (panel.hidden) toggle.dataset.news = '';
    },
    /** `mayOpen`: trainees have no clipboard. */
    enable(yes, mayOpen) {
      send.disabled = !yes || !mayOpen;
      toggle.disabled = !mayOpen;
      if (!mayOpen) self.open(false);
    },
  };
}

// The card in the middle of the stage: the state of the connection, and the next step.
import { byId } from './dom.js';

const overlay = byId('overlay');
const cancel = byId('overlay-cancel');
const wait = byId('overlay-wait');
const countdown = byId('overlay-countdown');
const bar = byId('overlay-bar');

let onAction = () => {};
let onCancel = () => {};
cancel.addEventListener('click', () => onCancel());

/** The main action is a button, or a link if the action leads to another page. */
function setAction(action) {
  const kind = action?.href === undefined ? 'button' : 'a';
  let element = byId('overlay-action');
  if (element.localName !== kind) {
    const fresh = document.createElement(kind);
    fresh.id = element.id;
    fresh.className = element.className;
    element.replaceWith(fresh);
    element = fresh;
  }
  element.hidden = action === undefined;
  if (kind === 'a') {
    element.href = action.href;
  } else {
    element.type = 'button';
    element.onclick = () => onAction();
  }
  if (action !== undefined) element.textContent = action.label;
  onAction = action?.run ?? (() => {});
  return element;
}

function setText(id, text) {
  const element = byId(id);
  // Screen readers announce each assignment: assign only changes.
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === '';
}

/** `busy` shows a spinner in place of the icon. */
export function showOverlay({
  busy = false,
  icon = 'unplugged',
  title,
  text = '',
  detail = '',
  action,
  stop,
}) {
  // Between two failures the card stays visible. Otherwise a "connecting" card appears after a delay, so that a fast connection
  // shows no card.
  overlay.toggleAttribute('data-late', busy && (overlay.hidden || overlay.dataset.kind === 'busy'));
  overlay.dataset.kind = busy ? 'busy' : 'ended';
  byId('overlay-icon').setAttribute('href', `#i-${icon}`);
  setText('overlay-title', title);
  setText('overlay-text', text);
  setText('overlay-detail', detail);
  wait.hidden = true;
  onCancel = stop ?? (() => {});
  cancel.hidden = stop === undefined;
  const main = setAction(action);
  byId('overlay-actions').hidden = action === undefined && stop === undefined;
  overlay.hidden = false;
  // The focus was on the desktop, which has disappeared: move the focus to the next step.
  if (action !== undefined && document.activeElement === document.body) main.focus({ preventScroll: true });
}

export function hideOverlay() {
  const focused = overlay.contains(document.activeElement);
  overlay.hidden = true;
  return focused;
}

export function startCountdown(milliseconds) {
  wait.hidden = false;
  for (const old of bar.getAnimations()) old.cancel();
  bar.animate([{ transform: 'scaleX(1)' }, { transform: 'scaleX(0)' }], {
    duration: milliseconds,
    fill: 'forwards',
  });
}

export function showCountdown(seconds) {
  countdown.textContent = `Reconnecting in ${seconds} s`;
}

export function stopCountdown() {
  wait.hidden = true;
}

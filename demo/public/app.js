// The viewer's page: connects the connection, the toolbar, the panels and the keyboard.
import { setUpClipboard } from './clipboard.js';
import { byId } from './dom.js';
import { setUpFocus } from './focus.js';
import { setUpIdle } from './idle.js';
import { setUpKeys } from './keys.js';
import { whoami } from './session.js';
import { setUpSettings } from './settings.js';
import { setUpToolbar, showSession } from './toolbar.js';
import { setUpView } from './view.js';
import { createViewer } from './viewer.js';

const viewer = createViewer({
  target: byId('screen'),
  url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/vnc/websockify`,
  on: {
    state: (next) => {
      enableInput();
      idle.watch(next === 'connected' ? limit : 0, viewer.openedAt);
    },
    attempt: applySettings,
    clipboard: (text) => clipboard.receive(text),
    session: take,
    input: () => idle.input(),
  },
});

let viewOnly = true; // The role of the user. The server drops keys and pointer of a trainee whatever the page does.
let limit = 0; // Seconds without input after which the server closes the desktop; 0: never.

let pointer; // The last position over the desktop, on the page.

const screen = byId('screen');
const idle = setUpIdle(nudge);
const clipboard = setUpClipboard((text) => viewer.rfb?.clipboardPasteFrom(text));
const keys = setUpKeys(() => viewer.rfb);
const view = setUpView({
  changed: applySettings,
  toggle: () => settings.change({ size: view.zoomed ? 'fit' : 'real' }),
});
const settings = setUpSettings(({ size }) => {
  view.setReal(size === 'real');
  applySettings();
});
view.setReal(settings.values.size === 'real');
setUpToolbar(viewer.refresh);
setUpFocus(toDesktop);

/** Called for each new connection, and after each change of the settings or the zoom. */
function applySettings() {
  const { rfb } = viewer;
  if (rfb === undefined) return;
  const { size, quality, compression } = settings.values;
  rfb.qualityLevel = quality;
  rfb.compressionLevel = compression;
  if (rfb.viewOnly !== isWatching()) rfb.viewOnly = isWatching();
  // A zoomed element is larger than the window: the desktop must not grow with it.
  rfb.resizeSession = size === 'remote' && !view.zoomed && !viewOnly;
  enableInput();
}

/** A trainee always watches; other users may choose to. */
function isWatching() {
  return viewOnly || settings.values.viewOnly;
}

function enableInput() {
  const isUp = viewer.state === 'connected';
  keys.enable(isUp && !isWatching());
  clipboard.enable(isUp, !viewOnly);
}

/** Applies an answer of the server: the role may have changed. */
function take(session) {
  if (session.state !== 'in') return;
  showSession(session);
  viewOnly = session.viewOnly;
  settings.force(viewOnly);
  limit = session.inputIdle;
  if (viewer.state === 'connected') idle.watch(limit, viewer.openedAt);
  applySettings();
  enableInput();
}

/** Moves the pointer by a pixel of the desktop, since the server counts only changes: the user is there, but at another part of the page, or has chosen to watch. */
function nudge() {
  const { rfb } = viewer;
  const canvas = screen.querySelector('canvas');
  if (rfb === undefined || canvas === null) return;
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const { x = left + width / 2, y = top + height / 2 } = pointer ?? {};
  const step = Math.ceil(width / canvas.width) * (x > left + width / 2 ? -1 : 1);
  pointer = { x: x + step, y };
  rfb.viewOnly = viewOnly;
  canvas.dispatchEvent(new window.MouseEvent('mousemove', { clientX: pointer.x, clientY: y }));
  rfb.viewOnly = isWatching();
}

function toDesktop() {
  if (viewer.state !== 'connected') return false;
  viewer.rfb.focus({ preventScroll: true });
  return true;
}

screen.addEventListener('pointermove', ({ clientX: x, clientY: y }) => (pointer = { x, y }), true);
byId('reconnect').addEventListener('click', viewer.reconnect);
byId('disconnect').addEventListener('click', viewer.disconnect);
byId('logout-form').addEventListener('submit', viewer.leave);
window.addEventListener('online', viewer.hurry);
window.addEventListener('focus', () => void viewer.returned());
// After Back, the browser may show the page from its cache, for instance after a logout: reload the page from the server.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});

/** For the tests. */
window.demo = viewer;

const session = await whoami();
take(session);
viewer.start(session);

// The viewer's page: connects the connection, the toolbar, the panels and the keyboard.
import { setUpClipboard } from './clipboard.js';
import { byId } from './dom.js';
import { setUpFocus } from './focus.js';
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
      clipboard.enable(next === 'connected');
      enableKeys();
    },
    attempt: applySettings,
    clipboard: (text) => clipboard.receive(text),
  },
});

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
setUpToolbar();
setUpFocus(toDesktop);

/** Called for each new connection, and after each change of the settings or the zoom. */
function applySettings() {
  const { rfb } = viewer;
  if (rfb === undefined) return;
  const { size, quality, compression, viewOnly } = settings.values;
  rfb.qualityLevel = quality;
  rfb.compressionLevel = compression;
  if (rfb.viewOnly !== viewOnly) rfb.viewOnly = viewOnly;
  // A zoomed element is larger than the window: the desktop must not grow with it.
  rfb.resizeSession = size === 'remote' && !view.zoomed;
  enableKeys();
}

function enableKeys() {
  keys.enable(viewer.state === 'connected' && !settings.values.viewOnly);
}

function toDesktop() {
  if (viewer.state !== 'connected') return false;
  viewer.rfb.focus({ preventScroll: true });
  return true;
}

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
showSession(session);
viewer.start(session);

// The viewer: ties the connection to the page. The state is one of connecting, connected,
// disconnected, unavailable, refused.
import { createBackoff } from './backoff.js';
import { setUpClipboard } from './clipboard.js';
import { openConnection } from './connection.js';
import { askCredentials, askTrust, dropQuestions } from './credentials.js';
import { byId } from './dom.js';
import { setUpFocus } from './focus.js';
import { setUpKeys } from './keys.js';
import { hideOverlay, showCountdown, showOverlay, startCountdown, stopCountdown } from './overlay.js';
import { explain, worthAsking } from './reasons.js';
import { loginAgain, whoami } from './session.js';
import { setUpSettings } from './settings.js';
import { setUpToolbar, showDesktopName, showPassword, showSession, showState } from './toolbar.js';
import { setUpView } from './view.js';

const screen = byId('screen');
const tunnelUrl = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/vnc/websockify`;

let state = 'connecting';
let current; // The connection on the screen, or the attempt under way.
let lastClose = null;
let credentials; // Kept for reconnecting; gone with the page.
let asked; // Whether the VNC server wanted credentials; undefined as long as it is not known.
let leaving = false; // The page is being left: nothing to explain any more.

function setState(next) {
  state = next;
  showState(next);
  clipboard.enable(next === 'connected');
  enableKeys();
}

function connect() {
  backoff.cancel();
  dropQuestions();
  const before = current;
  current = undefined; // Its end is no news any more.
  before?.disconnect();

  setState('connecting');
  showOverlay({
    busy: true,
    title: 'Connecting to the desktop',
    text: byId('desktop').textContent,
  });

  const attempt = openConnection({
    target: screen,
    url: tunnelUrl,
    credentials,
    on: {
      connect: () => attempt === current && whenConnected(attempt),
      end: (outcome) => attempt === current && void whenEnded(outcome),
      close: (close) => {
        if (attempt === current || current === undefined) lastClose = close;
      },
      credentials: (types) => attempt === current && whenAsked(attempt, types),
      verify: (key) => attempt === current && void whenShownKey(attempt, key),
      clipboard: (text) => clipboard.receive(text),
      name: showDesktopName,
    },
  });
  current = attempt;
  applySettings();
}

function whenConnected({ rfb }) {
  backoff.connected();
  dropQuestions();
  showPassword((asked ??= false));
  const wasInOverlay = hideOverlay();
  setState('connected');
  if (wasInOverlay || document.activeElement === document.body) rfb.focus({ preventScroll: true });
  void whoami().then(showSession);
}

function whenAsked(attempt, types) {
  asked = true;
  hideOverlay();
  askCredentials(types, (answer) => {
    if (answer === undefined) {
      disconnect();
      return;
    }
    credentials = answer;
    showOverlay({ busy: true, title: 'Logging in to the desktop' });
    attempt.rfb.sendCredentials(answer);
  });
}

function whenShownKey(attempt, key) {
  return askTrust(key, (yes) => {
    if (attempt !== current) return;
    if (yes) attempt.rfb.approveServer();
    else disconnect();
  });
}

async function whenEnded(outcome) {
  current = undefined;
  backoff.ended();
  dropQuestions();
  if (leaving) return;
  if (outcome.security !== undefined) credentials = undefined;

  if (!worthAsking(outcome)) {
    showEnd(explain(outcome));
    return;
  }
  // Why it failed is hidden from the page; the login's state is the best guess. A connection that stood is shown as
  // ended at once.
  if (outcome.connected) showEnd(explain(outcome));
  const session = await whoami();
  if (current === undefined && !leaving) showEnd(explain(outcome, session));
}

function showEnd({ state: next, title, text, icon, detail, retry, login, action }) {
  setState(next);
  const again = { label: action ?? (retry ? 'Reconnect now' : 'Reconnect'), run: reconnect };
  showOverlay({
    icon,
    title,
    text,
    detail,
    action: login ? { label: 'Log in again', href: loginAgain } : again,
    stop: retry ? stopTrying : undefined,
  });
  if (retry) backoff.schedule();
}

/** The user's own wish: at once, and patience starts over. */
function reconnect() {
  backoff.reset();
  connect();
}

function stopTrying() {
  backoff.reset();
  stopCountdown();
  byId('overlay-cancel').hidden = true;
  byId('overlay-action').textContent = 'Reconnect';
  byId('overlay-action').focus();
}

function disconnect() {
  backoff.reset();
  credentials = undefined;
  current?.disconnect();
}

const backoff = createBackoff({ start: startCountdown, tick: showCountdown, fire: connect });
const clipboard = setUpClipboard((text) => current?.rfb.clipboardPasteFrom(text));
const keys = setUpKeys(() => current?.rfb);
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

/** Changes of the settings and the zoom; a new connection needs all of them. */
function applySettings() {
  if (current === undefined) return;
  const { rfb } = current;
  const { size, quality, compression, viewOnly } = settings.values;
  rfb.qualityLevel = quality;
  rfb.compressionLevel = compression;
  if (rfb.viewOnly !== viewOnly) rfb.viewOnly = viewOnly;
  // A desktop that is zoomed would grow with the element.
  rfb.resizeSession = size === 'remote' && !view.zoomed;
  enableKeys();
}

function enableKeys() {
  keys.enable(state === 'connected' && !settings.values.viewOnly);
}

function toDesktop() {
  if (state !== 'connected') return false;
  current.rfb.focus({ preventScroll: true });
  return true;
}

byId('reconnect').addEventListener('click', reconnect);
byId('disconnect').addEventListener('click', disconnect);
byId('logout-form').addEventListener('submit', () => {
  leaving = true;
  backoff.reset();
});
window.addEventListener('online', () => {
  if (backoff.waiting) connect();
});
// From the browser's page cache, for instance by Back after logging out: ask the server for the page again.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});

window.demo = {
  get state() {
    return state;
  },
  get rfb() {
    return current?.rfb;
  },
  get lastClose() {
    return lastClose;
  },
};

const session = await whoami();
showSession(session);
if (session.state === 'out') showEnd(explain({ code: 0, connected: false, opened: false }, session));
else connect();

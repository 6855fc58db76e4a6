// The connection to the desktop and the card over it: connects, explains the end of a connection, and tries again. The states are
// connecting, connected, disconnected, unavailable and refused.
import { createBackoff } from './backoff.js';
import { openConnection } from './connection.js';
import { askCredentials, askTrust, dropQuestions } from './credentials.js';
import { byId } from './dom.js';
import { hideOverlay, showCountdown, showOverlay, startCountdown, stopCountdown } from './overlay.js';
import { explain, worthAsking } from './reasons.js';
import { loginAgain, whoami } from './session.js';
import { showDesktopName, showLoggedOut, showPassword, showState } from './toolbar.js';

/**
 * `on`: the callbacks `state(next)`, `attempt()` for each new connection, `clipboard(text)`, `session(answer)` for each answer of
 * `whoami()`, and `input()` for each key or pointer event that is sent.
 */
export function createViewer({ target, url, on }) {
  let state = 'connecting';
  let current; // The connection on the screen, or the attempt in progress.
  let lastClose = null;
  let credentials; // Kept for reconnecting, until the user disconnects or leaves the page.
  let asked = false; // Did the VNC server ask the user for credentials?
  let loggedOut = false; // The card asks for a login.
  let leaving = false; // The user is leaving the page: show no explanation.

  const backoff = createBackoff({ start: startCountdown, tick: showCountdown, fire: connect });

  function setState(next) {
    state = next;
    showState(next);
    on.state(next);
  }

  function setLoggedOut(value) {
    loggedOut = value;
    showLoggedOut(value);
  }

  function connect() {
    backoff.cancel();
    dropQuestions();
    const previous = current;
    current = undefined; // The end of the previous connection is not shown.
    previous?.disconnect();

    setLoggedOut(false);
    setState('connecting');
    showOverlay({
      busy: true,
      title: 'Connecting to the desktop',
      text: byId('desktop').textContent,
    });

    const attempt = openConnection({
      target,
      url,
      credentials,
      on: {
        connect: () => attempt === current && whenConnected(attempt),
        end: (outcome) => attempt === current && void whenEnded(outcome),
        close: (close) => {
          if (attempt === current || current === undefined) lastClose = close;
        },
        credentials: (types) => attempt === current && whenAsked(attempt, types),
        verify: (key) => attempt === current && void whenShownKey(attempt, key),
        clipboard: on.clipboard,
        input: () => attempt === current && on.input(),
        name: showDesktopName,
      },
    });
    current = attempt;
    on.attempt();
  }

  function whenConnected({ rfb }) {
    backoff.connected();
    dropQuestions();
    const wasInOverlay = hideOverlay();
    setState('connected');
    if (wasInOverlay || document.activeElement === document.body) rfb.focus({ preventScroll: true });
    void ask().then(({ knowsPassword }) => {
      showPassword(knowsPassword ? 'known' : asked ? 'asked' : 'none');
    });
  }

  async function ask() {
    const session = await whoami();
    on.session(session);
    return session;
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
    // The page cannot see why an upgrade was refused: ask whether the user is still logged in. The end of an open connection is
    // shown at once.
    if (outcome.connected) showEnd(explain(outcome));
    const session = await ask();
    if (current === undefined && !leaving) showEnd(explain(outcome, session));
  }

  function showEnd({ state: next, title, text, icon, detail, retry, login, action }) {
    setLoggedOut(login === true);
    setState(next);
    const again = { label: action ?? (retry ? 'Reconnect now' : 'Reconnect'), run: reconnect };
    showOverlay({
      icon,
      title,
      text,
      detail,
      action: login ? { label: 'Log in', href: loginAgain } : again,
      stop: retry ? stopTrying : undefined,
    });
    if (retry) backoff.schedule();
  }

  /** The user connects: without a delay, and the next delays start with the first value. */
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

  return {
    get state() {
      return state;
    },
    /** noVNC's object of the connection, or undefined. */
    get rfb() {
      return current?.rfb;
    },
    /** The time when the WebSocket of the connection was open. */
    get openedAt() {
      return current?.openedAt ?? 0;
    },
    /** `{ code, reason }` of the last close, or null. */
    get lastClose() {
      return lastClose;
    },
    /** `session`: the answer of `whoami()`. */
    start(session) {
      if (session.state === 'out') showEnd(explain({ code: 0, connected: false, opened: false }, session));
      else connect();
    },
    reconnect,
    disconnect,
    /** The network is back: do not wait for the next attempt. */
    hurry() {
      if (backoff.waiting) connect();
    },
    /** The user returns to this tab, perhaps after a login in another one. */
    async returned() {
      if (loggedOut && (await ask()).state === 'in' && loggedOut) reconnect();
    },
    /** Asks for the session, and shows it. */
    refresh: ask,
    leave() {
      leaving = true;
      backoff.reset();
    },
  };
}

// The connection to the shell and the card over it: connects, explains the end of a connection, and tries again. What the user types
// goes as binary messages, which are the bytes of the shell. Text messages go to the option `control` of the tunnel.
import { createBackoff } from './backoff.js';
import { byId } from './dom.js';
import { hideOverlay, showCountdown, showOverlay, startCountdown, stopCountdown } from './overlay.js';
import { loginAgain, whoami } from './session.js';
import { explain } from './terminal-reasons.js';

const labels = { connecting: 'Connecting', connected: 'Connected', ended: 'Disconnected' };

/** Bytes that xterm.js has not drawn yet. A browser's WebSocket has no flow control: above the first the server pauses the shell. */
const many = 512 * 1024;
const few = 64 * 1024;

/** One message holds so many bytes of a long paste. */
const most = 16 * 1024;

const encoder = new TextEncoder();

export function createLink(terminal) {
  const base = location.origin.replace('http', 'ws');
  let socket;
  let state = 'connecting';

  const backoff = createBackoff({ start: startCountdown, tick: showCountdown, fire: connect });

  function setState(next) {
    state = next;
    document.body.dataset.state = next;
    if (byId('status-text').textContent !== labels[next]) byId('status-text').textContent = labels[next];
    // The keys of a user must not seem to do something.
    terminal.options.disableStdin = next !== 'connected';
  }

  function connect() {
    backoff.cancel();
    socket?.close();
    setState('connecting');
    showOverlay({ busy: true, title: 'Connecting to the shell' });

    const { cols, rows } = terminal;
    const attempt = new WebSocket(`${base}/terminal/socket?cols=${cols}&rows=${rows}`, 'binary');
    attempt.binaryType = 'arraybuffer';
    socket = attempt;
    let undrawn = 0;
    let isPaused = false;
    let opened = false;

    const pause = (yes) => {
      isPaused = yes;
      control(attempt, { paused: yes });
    };
    attempt.addEventListener('open', () => {
      opened = true;
      backoff.connected();
      // A shell that goes on draws its screen again.
      terminal.reset();
      setState('connected');
      hideOverlay();
      terminal.focus();
      // The window may have changed during the attempt.
      if (terminal.cols !== cols || terminal.rows !== rows) resize(terminal);
    });
    attempt.addEventListener('message', ({ data }) => {
      const { byteLength } = data;
      undrawn += byteLength;
      if (undrawn > many && !isPaused) pause(true);
      terminal.write(new Uint8Array(data), () => {
        undrawn -= byteLength;
        if (undrawn < few && isPaused) pause(false);
      });
    });
    attempt.addEventListener('close', ({ code, reason }) => {
      if (attempt !== socket) return;
      backoff.ended();
      void whenEnded({ code, reason, opened });
    });
  }

  async function whenEnded(outcome) {
    const ended = socket;
    setState('ended');
    // The end of the shell itself is plain: do not ask.
    const session = outcome.code === 1000 ? undefined : await whoami();
    if (ended !== socket) return;
    const { title, text, icon, detail, retry, login, action } = explain(outcome, session);
    const again = { label: action ?? (retry ? 'Reconnect now' : 'Reconnect'), run: reconnect };
    const to = login ? { label: 'Log in', href: loginAgain } : undefined;
    showOverlay({ icon, title, text, detail, action: to ?? again, stop: retry ? stopTrying : undefined });
    if (document.activeElement === terminal.textarea) byId('overlay-action').focus({ preventScroll: true });
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

  function sendBytes(bytes) {
    if (state !== 'connected') return;
    for (let at = 0; at < bytes.length; at += most) socket.send(bytes.subarray(at, at + most));
  }

  function resize({ cols, rows }) {
    if (state === 'connected') control(socket, { cols, rows });
  }

  return {
    get state() {
      return state;
    },
    start: connect,
    reconnect,
    send: (text) => sendBytes(encoder.encode(text)),
    sendBytes,
    resize,
    /** The network is back: do not wait for the next attempt. */
    hurry() {
      if (backoff.waiting) connect();
    },
  };
}

function control(socket, message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

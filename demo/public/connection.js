// One attempt to reach the desktop. The page opens the WebSocket and passes it to noVNC. If noVNC opened the WebSocket, the page
// could not read the close code and the reason, which are all that a browser reveals about a refusal.
import RFB from '/novnc/core/rfb.js';

/** Milliseconds until the desktop must show a picture or ask for a password. */
const patience = 45_000;

/** The types of the messages for a key, the pointer, and a key of QEMU. */
const inputMessages = [4, 5, 255];

/**
 * Starts an attempt. The callbacks in `on`: `connect()`, `end(outcome)` exactly once, `close({ code, reason })`,
 * `credentials(types)`, `verify(publicKey)`, `clipboard(text)`, `name(text)`, `input()` for each key or pointer event that is sent.
 *
 * The outcome: `{ connected, opened, code, reason, security, viewerError, timedOut, needsHttps,
 * byUser }`.
 */
export function openConnection({ target, url, credentials, on }) {
  const outcome = {
    connected: false, // The desktop was on the screen.
    opened: false, // The WebSocket was open.
    code: 0,
    reason: '',
    security: undefined, // The VNC server's reason for refusing the credentials.
    viewerError: false, // noVNC ended the connection because of an error.
    timedOut: false,
    needsHttps: false, // The VNC server uses encryption, which pages have only over https.
    byUser: false,
  };
  let ended = false;
  let openedAt = 0;
  let lastPointer = '';

  const end = () => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    on.end(outcome);
  };

  const socket = new WebSocket(url);
  socket.addEventListener('open', () => {
    outcome.opened = true;
    openedAt = performance.now();
  });
  // Registered before noVNC's handler, so that the code is known before noVNC removes the screen.
  socket.addEventListener('close', ({ code, reason }) => {
    outcome.code = code;
    outcome.reason = reason;
    on.close({ code, reason });
    end();
  });

  // The server's clock for input starts again with what noVNC sends, not with what happens on the page. noVNC has no event for that,
  // and sends each message by itself: https://www.rfc-editor.org/rfc/rfc6143#section-7.5
  const send = socket.send.bind(socket);
  socket.send = (bytes) => {
    // The server does not count a pointer event that repeats the last one.
    const message = inputMessages.includes(bytes[0]) ? bytes.join() : '';
    if (outcome.connected && message !== '' && (bytes[0] !== 5 || message !== lastPointer)) on.input();
    if (bytes[0] === 5) lastPointer = message;
    send(bytes);
  };

  const rfb = new RFB(target, socket, { credentials, shared: true });
  // Scale to the size of the element, which is the zoom.
  rfb.scaleViewport = true;
  rfb.background = 'transparent';

  const timer = setTimeout(() => {
    outcome.timedOut = true;
    rfb.disconnect();
    end();
  }, patience);

  rfb.addEventListener('connect', () => {
    clearTimeout(timer);
    outcome.connected = true;
    on.connect();
  });
  rfb.addEventListener('disconnect', ({ detail }) => {
    if (ended) return;
    // noVNC ends before the WebSocket is closed: wait for the close code.
    outcome.viewerError = !detail.clean;
    setTimeout(end, 1500);
  });
  rfb.addEventListener('securityfailure', ({ detail }) => {
    outcome.security = detail.reason || 'no reason given';
  });
  rfb.addEventListener('credentialsrequired', ({ detail }) => {
    clearTimeout(timer);
    on.credentials(detail.types);
  });
  rfb.addEventListener('serververification', ({ detail }) => {
    clearTimeout(timer);
    // noVNC encrypts with SubtleCrypto, which pages over http lack.
    if (window.crypto.subtle === undefined) {
      outcome.needsHttps = true;
      rfb.disconnect();
      end();
      return;
    }
    on.verify(detail.publickey);
  });
  rfb.addEventListener('clipboard', ({ detail }) => on.clipboard(detail.text));
  rfb.addEventListener('desktopname', ({ detail }) => on.name(detail.name));

  return {
    rfb,
    /** The time when the WebSocket was open: the server's clocks run since then. */
    get openedAt() {
      return openedAt;
    },
    /** The user ends the attempt or the connection. */
    disconnect() {
      outcome.byUser = true;
      rfb.disconnect();
      end();
    },
  };
}

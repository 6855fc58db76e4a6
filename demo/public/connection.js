// One attempt to reach the desktop: a WebSocket of our own, given to noVNC. noVNC would open one by itself, but then
// hide the close code and reason, which are all that a browser tells about a refusal.
import RFB from '/novnc/core/rfb.js';

/** How long the desktop may stay silent before it shows a picture or asks for a password. */
const patience = 45_000;

/**
 * Starts an attempt. `on` is told of everything: `connect()`, `end(outcome)` exactly once, `close({ code, reason })`,
 * `credentials(types)`, `verify(publicKey)`, `clipboard(text)`, `name(text)`.
 *
 * The outcome: `{ connected, opened, code, reason, security, viewerError, timedOut, byUser }`.
 */
export function openConnection({ target, url, credentials, on }) {
  const outcome = {
    connected: false, // The desktop was on the screen.
    opened: false, // The WebSocket was open.
    code: 0,
    reason: '',
    security: undefined, // What the VNC server said when it turned the credentials down.
    viewerError: false, // noVNC gave up by itself.
    timedOut: false,
    byUser: false,
  };
  let ended = false;

  const end = () => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    on.end(outcome);
  };

  const socket = new WebSocket(url);
  socket.addEventListener('open', () => {
    outcome.opened = true;
  });
  // Registered before noVNC's own handler, so the code is known before noVNC tears its screen down.
  socket.addEventListener('close', ({ code, reason }) => {
    outcome.code = code;
    outcome.reason = reason;
    on.close({ code, reason });
    end();
  });

  const rfb = new RFB(target, socket, { credentials, shared: true });
  // To the element, whose size is the zoom.
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
    // The WebSocket is still closing: noVNC gave up first. Wait a moment for the close code.
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
    on.verify(detail.publickey);
  });
  rfb.addEventListener('clipboard', ({ detail }) => on.clipboard(detail.text));
  rfb.addEventListener('desktopname', ({ detail }) => on.name(detail.name));

  return {
    rfb,
    /** The user's own choice: ends the attempt at once. */
    disconnect() {
      outcome.byUser = true;
      rfb.disconnect();
      end();
    },
  };
}

// noVNC on a channel of the page: noVNC takes an object like a WebSocket, and the page delivers the recorded bytes when their time
// has come. noVNC answers as in the recorded session; its answers go nowhere.
import RFB from '/novnc/core/rfb.js';

/** The server checked the recorded answer, not this one. */
const anyCredentials = { username: '-', password: '-', target: '-' };

/** Bytes that noVNC may queue while it decodes pictures. Beyond 40 MiB noVNC would fail. */
const MOST_QUEUED = 1024 * 1024;

/** Milliseconds of work in one piece, so that the buttons react while the page skips. */
const SLICE = 40;

/** Milliseconds to wait for noVNC's decoder: only a broken picture takes longer. */
const PATIENCE = 5000;

const pause = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

/** What noVNC asks of a channel, see Websock.attach() of noVNC. */
class Channel {
  binaryType = 'arraybuffer';
  protocol = '';
  readyState = 'open';
  onopen = () => {};
  onmessage = () => {};
  onclose = () => {};
  onerror = () => {};

  send() {}

  close() {
    if (this.readyState === 'closed') return;
    this.readyState = 'closed';
    setTimeout(() => this.onclose({ code: 1000, reason: '', wasClean: true }));
  }
}

/** A copy of what the canvas shows, in its place. */
function stillOf(canvas) {
  const still = document.createElement('div');
  still.className = 'still';
  const copy = canvas.cloneNode();
  copy.getContext('2d').drawImage(canvas, 0, 0);
  still.append(copy);
  return still;
}

/**
 * An own element in `target`, invisible until `show()`. `on`: `name(text)`, and `end(reason)` if noVNC ends the session: `login` after
 * a refused login, or `error`.
 */
export function createScreen(target, on) {
  const element = document.createElement('div');
  element.className = 'take';
  element.dataset.hidden = '';
  target.append(element);

  const channel = new Channel();
  const rfb = new RFB(element, channel, { credentials: anyCredentials });
  rfb.viewOnly = true;
  rfb.focusOnClick = false;
  rfb.scaleViewport = true;
  rfb.background = 'transparent';

  let isConnected = false;
  let isClosed = false;
  let wasRefused = false;
  let still;
  let sliceStart = performance.now();
  rfb.addEventListener('connect', () => (isConnected = true));
  rfb.addEventListener('securityfailure', () => (wasRefused = true));
  // The key of a server that was trusted when the session was recorded.
  rfb.addEventListener('serververification', () => rfb.approveServer());
  rfb.addEventListener('desktopname', ({ detail }) => on.name(detail.name));
  rfb.addEventListener('disconnect', () => {
    if (!isClosed) on.end(wasRefused ? 'login' : 'error');
  });

  // noVNC has no public names for its queue and for pictures that are being decoded. Without them, nothing waits.
  const isBusy = () => rfb._flushing === true;
  const queued = () => (isBusy() ? (rfb._sock?.rQlen?.() ?? 0) : 0);
  const isDrawing = () => isBusy() || rfb._display?.pending?.() === true;

  async function waitWhile(condition) {
    const start = performance.now();
    while (!isClosed && condition() && performance.now() - start < PATIENCE) await pause(4);
  }

  return {
    get isConnected() {
      return isConnected;
    },
    show() {
      element.removeAttribute('data-hidden');
      still?.remove();
      still = undefined;
    },
    /** Until `show()`, the picture stays as it is: the browser need not paint what the page skips. */
    freeze() {
      const canvas = element.querySelector('canvas');
      if (still !== undefined || !canvas?.width) return;
      still = stillOf(canvas);
      target.append(still);
      element.dataset.hidden = '';
    },
    /** Delivers the bytes. Resolves when noVNC can take more. */
    async deliver(bytes) {
      channel.onmessage({ data: bytes.slice().buffer });
      if (queued() > MOST_QUEUED) await waitWhile(() => queued() > MOST_QUEUED);
      // In the handshake, noVNC may finish a step in a task of its own.
      if (!isConnected || performance.now() - sliceStart > SLICE) {
        await pause();
        sliceStart = performance.now();
      }
    },
    /** Resolves when everything delivered is on the canvas. */
    drawn: () => waitWhile(isDrawing),
    close() {
      isClosed = true;
      rfb.disconnect();
      element.remove();
      still?.remove();
    },
  };
}

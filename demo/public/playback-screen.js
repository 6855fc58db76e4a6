// noVNC on a channel of the page: noVNC accepts an object like a WebSocket, through which the page delivers the recorded bytes when they
// are due. The answers of noVNC are dropped.
import RFB from '/novnc/core/rfb.js';

/** Any text works, since the server checked the recorded answer. */
const anyCredentials = { username: '-', password: '-', target: '-' };

/** Bytes that noVNC may queue while it decodes pictures. Beyond 40 MiB noVNC would fail. */
const MOST_QUEUED = 1024 * 1024;

/** Milliseconds of work without a pause, so that the buttons react during a seek. */
const SLICE = 40;

/** Milliseconds for noVNC's decoder: only a broken picture takes longer. */
const PATIENCE = 5000;

const pause = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

/** The properties that noVNC requires of a channel: see Websock.attach() of noVNC. */
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

/** A copy of the canvas, which is shown in place of the canvas. */
function stillOf(canvas) {
  const still = document.createElement('div');
  still.className = 'still';
  const copy = canvas.cloneNode();
  copy.getContext('2d').drawImage(canvas, 0, 0);
  still.append(copy);
  return still;
}

/**
 * Adds an element to `target`, invisible until `show()`. `on`: `name(text)`, and `end(reason)` if noVNC ends the session: `login` after
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

  // noVNC has no public interface to its queue and to pictures that are being decoded. If the private names change, the page does not wait.
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
    /** Keeps the picture until `show()`: the browser does not paint the changes that the page skips. */
    freeze() {
      const canvas = element.querySelector('canvas');
      if (still !== undefined || !canvas?.width) return;
      still = stillOf(canvas);
      target.append(still);
      element.dataset.hidden = '';
    },
    /** Delivers the bytes. Resolves when noVNC can accept more. */
    async deliver(bytes) {
      channel.onmessage({ data: bytes.slice().buffer });
      if (queued() > MOST_QUEUED) await waitWhile(() => queued() > MOST_QUEUED);
      // In the handshake, noVNC may finish a step in a task of its own.
      if (!isConnected || performance.now() - sliceStart > SLICE) {
        await pause();
        sliceStart = performance.now();
      }
    },
    /** Resolves when all delivered bytes are drawn. */
    drawn: () => waitWhile(isDrawing),
    close() {
      isClosed = true;
      rfb.disconnect();
      element.remove();
      still?.remove();
    },
  };
}

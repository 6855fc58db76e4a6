import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CloseClock, SLOWEST_LINE, type CloseTimes } from './close-clock.js';
import { reset } from './reset.js';
import { queuedIn, WriteProgress } from './write-progress.js';

const NOTHING = Buffer.alloc(0);

/** Limit of the bytes in the send and receive buffers of one connection (Linux: tcp_wmem and tcp_rmem). */
const MAX_IN_KERNELS = 10 * 1024 * 1024;

/** The kernel reports free space when a third of the send buffer is free again: on a slow line after minutes. */
const BURST = 1 / 3;

/** Limit of the extension of `closeTimeout` by such a burst, as a multiple of `closeTimeout`. */
const MAX_BURST = 10;

/** A reset drops bytes that the kernel has not sent yet. In ms after the last payload: by then a peer that reads has all bytes. */
const RESET_DELAY = 500;

export interface BackendFinishHandlers {
  /** The backend has accepted all payload of the client. */
  confirmDelivery(): void;
  /** The backend will never accept all payload. */
  failDelivery(reason: string): void;
  /** The deadline has passed. */
  expired(): void;
}

/**
 * The last phase of a backend connection: the client sends no more payload. After the queued bytes the backend gets an end (or a
 * reset), and has `closeTimeout` to accept the queued bytes and to close.
 */
export class BackendFinish {
  readonly #backend: Duplex;
  readonly #handlers: BackendFinishHandlers;
  readonly #closeTimeout: number;
  /** Bytes of payload received from the client. */
  readonly #received: number;
  readonly #clock: CloseClock;
  /** The client waits for the answer to a Close until the backend has accepted the queue. */
  #isDelivering = false;
  #isOver = false;
  /** The backend has sent bytes since the last sample. Counts as progress until `#heardUntil`. */
  #wasHeard = false;
  readonly #heardUntil: number;
  #resetTimer: NodeJS.Timeout | undefined;

  constructor(backend: Duplex, times: CloseTimes, received: number, handlers: BackendFinishHandlers) {
    this.#backend = backend;
    this.#handlers = handlers;
    this.#closeTimeout = times.closeTimeout;
    this.#received = received;
    this.#heardUntil = performance.now() + (Math.min(received, MAX_IN_KERNELS) / SLOWEST_LINE) * 1000;
    const progress = new WriteProgress(backend);
    const sample = () => {
      const moved = progress.sample(performance.now());
      // A backend that still sends is alive, and may still read bytes from the kernels between: a reset now would lose those
      // bytes. The extension is limited to the time that a slow line needs, since a backend may send without end.
      const wasHeard = this.#wasHeard && performance.now() < this.#heardUntil;
      this.#wasHeard = false;
      return moved || wasHeard;
    };
    this.#clock = new CloseClock(times, sample, (limit) => this.#onTimeout(limit));
  }

  /**
   * Ends the backend after the queued bytes. `isWhole` is false if the client was lost before its end: then the backend is reset
   * once the backend's kernel has accepted the queued bytes, since after an end the backend would mistake a part for the whole.
   * `lastPayload`: the time of the last payload.
   */
  start(isWhole: boolean, isDelivering: boolean, lastPayload: number): void {
    this.#clock.start(() => this.#secondsUntilBurst());
    const backend = this.#backend;
    if (!backend.writable) return;
    this.#isDelivering = isDelivering;
    if (isWhole) backend.end(this.#onAccepted);
    else
      backend.write(NOTHING, (error) => {
        this.#onAccepted(error);
        if (error || this.#isOver) return;
        const delay = Math.max(0, lastPayload + RESET_DELAY - performance.now());
        this.#resetTimer = setTimeout(() => reset(backend), delay);
      });
  }

  /** The backend has sent bytes. */
  heard(): void {
    this.#wasHeard = true;
  }

  /** The backend is closed. */
  stop(): void {
    this.#isOver = true;
    this.#clock.stop();
    clearTimeout(this.#resetTimer);
    // An error captures a stack: only for the callback that needs it.
    if (this.#isDelivering) this.#onAccepted(new Error('closed'));
  }

  readonly #onAccepted = (error?: Error | null): void => {
    if (!this.#isDelivering) return;
    this.#isDelivering = false;
    if (error) this.#handlers.failDelivery('the backend failed before it had accepted what the client sent');
    else this.#handlers.confirmDelivery();
  };

  #onTimeout(limit: string): void {
    // The client is notified of the failure before the connection ends.
    if (this.#isDelivering) {
      this.#isDelivering = false;
      this.#handlers.failDelivery(`the backend did not accept what the client sent within ${limit}`);
    }
    this.#handlers.expired();
  }

  /** Seconds until the kernel may next report progress; 0 if no bytes are queued. */
  #secondsUntilBurst(): number {
    const queued = queuedIn(this.#backend);
    if (queued === 0 || !(this.#backend instanceof Socket)) return 0;
    const seconds = ((this.#received - queued) * BURST) / SLOWEST_LINE;
    return Math.min(seconds, MAX_BURST * this.#closeTimeout);
  }
}

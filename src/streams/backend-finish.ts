import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CloseClock, SLOWEST_LINE, type CloseTimes } from './close-clock.js';
import { reset } from './reset.js';
import { queuedIn, WriteProgress } from './write-progress.js';

const NOTHING = Buffer.alloc(0);

/** Bytes that the send and receive buffers of one connection hold at most (Linux: tcp_wmem and tcp_rmem). */
const MAX_IN_KERNELS = 10 * 1024 * 1024;

/** The kernel reports room when a third of its buffer is free again: on a slow line that takes minutes. */
const BURST = 1 / 3;

/** Such a burst may lengthen `closeTimeout` by this many times at most. */
const MAX_BURST = 10;

/** A reset drops bytes that the kernel has not sent yet; a peer that reads has them by then. In ms after the last payload. */
const RESET_DELAY = 500;

export interface BackendFinishHandlers {
  /** The backend has accepted all payload of the client. */
  confirmDelivery(): void;
  /** It never will. */
  failDelivery(reason: string): void;
  /** The deadline has passed. */
  expired(): void;
}

/**
 * The last part of a backend's life: no more payload comes from the client. The backend gets its end (or a reset) after the
 * bytes that are queued, and `closeTimeout` to accept those bytes and to close.
 */
export class BackendFinish {
  readonly #backend: Duplex;
  readonly #handlers: BackendFinishHandlers;
  readonly #closeTimeout: number;
  /** Bytes of payload that came from the client. */
  readonly #received: number;
  readonly #clock: CloseClock;
  /** The client waits for the answer to its Close until the queue is accepted. */
  #isDelivering = false;
  #isOver = false;
  /** The backend has sent something since the last sample; counts until `#heardUntil`. */
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
      // A backend that still sends is alive, and may still read what the kernels between hold: to give it up now would reset
      // the connection and lose those bytes. For as long as a slow line needs, and no longer: a backend may send without end.
      const wasHeard = this.#wasHeard && performance.now() < this.#heardUntil;
      this.#wasHeard = false;
      return moved || wasHeard;
    };
    this.#clock = new CloseClock(times, sample, (limit) => this.#onTimeout(limit));
  }

  /**
   * Ends the backend after the queued bytes. Not `isWhole`: the client was lost in the middle, so the backend is reset once its
   * kernel has accepted them; after an end it would take the beginning for the whole. `lastPayload`: when payload last came.
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

  /** The backend has sent something. */
  heard(): void {
    this.#wasHeard = true;
  }

  /** The backend is closed. */
  stop(): void {
    this.#isOver = true;
    this.#clock.stop();
    clearTimeout(this.#resetTimer);
    this.#onAccepted(new Error('closed'));
  }

  readonly #onAccepted = (error?: Error | null): void => {
    if (!this.#isDelivering) return;
    this.#isDelivering = false;
    if (error) this.#handlers.failDelivery('the backend failed before it had accepted what the client sent');
    else this.#handlers.confirmDelivery();
  };

  #onTimeout(limit: string): void {
    // The client hears of the failure before the connection ends.
    if (this.#isDelivering) {
      this.#isDelivering = false;
      this.#handlers.failDelivery(`the backend did not accept what the client sent within ${limit}`);
    }
    this.#handlers.expired();
  }

  /** Seconds until the kernel may next report progress, where bytes are queued. */
  #secondsUntilBurst(): number {
    const queued = queuedIn(this.#backend);
    if (queued === 0 || !(this.#backend instanceof Socket)) return 0;
    const seconds = ((this.#received - queued) * BURST) / SLOWEST_LINE;
    return Math.min(seconds, MAX_BURST * this.#closeTimeout);
  }
}

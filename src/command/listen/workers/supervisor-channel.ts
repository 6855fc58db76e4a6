import type { FromWorker } from './worker-messages.js';

/** Most messages that may be queued for the supervisor; further lines and events are dropped. */
const MAX_QUEUED = 10_000;
/** Time for the last messages of a worker, in ms. */
const FLUSH_DEADLINE = 1000;

/** The worker's end of the channel to the supervisor. */
export class SupervisorChannel {
  #queued = 0;
  #lostEvents = 0;
  #isFlushed: (() => void) | undefined;

  send(message: FromWorker): void {
    if (!process.connected) return;
    this.#queued++;
    process.send?.(message, undefined, undefined, () => {
      this.#queued--;
      if (this.#queued === 0) this.#isFlushed?.();
    });
  }

  /** Sends a line or an event, unless the supervisor is too slow. */
  sendOrDrop(message: FromWorker): void {
    if (this.#queued >= MAX_QUEUED) {
      if (message.kind === 'event') this.#lostEvents++;
      return;
    }
    if (this.#lostEvents > 0) {
      const lines = this.#lostEvents;
      this.#lostEvents = 0;
      this.send({ kind: 'event', event: 'lost', info: { lines } });
    }
    this.send(message);
  }

  /** Resolves when every message is written to the channel, or after a second. */
  async flush(): Promise<void> {
    if (this.#queued === 0 || !process.connected) return;
    await new Promise<void>((resolve) => {
      this.#isFlushed = resolve;
      setTimeout(resolve, FLUSH_DEADLINE);
    });
  }
}

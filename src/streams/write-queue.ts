import type { Duplex } from 'node:stream';
import { isPlain } from './release.js';
import { queuedIn } from './write-progress.js';

/** Least bytes of memory of a queued write: even a piece of one byte needs objects. */
const MIN_MEMORY = 1024;

/** Limit of bytes per system call: as many as one read of the kernel returns. */
const MAX_GATHERED = 512 * 1024;

/** Gets the end of each wait that was requested by {@link WriteQueue.awaitDrain}. */
export interface QueueOwner {
  /** The queue is empty. */
  drained(): void;
}

/**
 * Writes to a stream, and limits the queue by memory instead of length: pieces of one byte, or one byte left of a whole chunk,
 * need hundreds or thousands of times their length.
 */
export class WriteQueue {
  readonly #stream: Duplex;
  readonly #limit: number;
  readonly #owner: QueueOwner;
  /** Bytes written so far. */
  written = 0;
  /** The part of `written` that was still queued when the stream was given up. */
  abandoned = 0;
  /** Bytes of memory of all queued writes. */
  #memory = 0;
  #writes = 0;
  /** `drained` must be called when the queue is empty. */
  #isDrainAwaited = false;
  readonly #maxGathered: number;
  /** The stream is corked: more writes follow in this event-loop turn. */
  #isGathering = false;
  #gathered = 0;

  /** `limit`: bytes of memory. `drained` of the owner is called once for each {@link awaitDrain}. */
  constructor(stream: Duplex, limit: number, owner: QueueOwner) {
    this.#stream = stream;
    this.#limit = limit;
    this.#owner = owner;
    this.#maxGathered = isPlain(stream) ? Math.min(MAX_GATHERED, limit / 2) : 0;
  }

  /** True at the limit: stop writing, and call {@link awaitDrain}. Bytes that the kernel accepts at once never count. */
  get isFull(): boolean {
    return this.#memory >= this.#limit && this.#stream.writableLength > 0;
  }

  /**
   * `written` is called when the stream no longer uses the bytes; after an error the stream may still use the bytes. `more`:
   * another write follows in this event-loop turn, and one system call may write both. Each system call wakes up the peer.
   */
  write(bytes: Buffer, written?: (error?: Error | null) => void, more = false): void {
    if (more && !this.#isGathering && bytes.length < this.#maxGathered) {
      this.#isGathering = true;
      this.#gathered = 0;
      this.#stream.cork();
      setImmediate(flushQueue, this);
    }
    this.#gathered += bytes.length;
    this.written += bytes.length;
    this.#writes++;
    const memory = Math.max(bytes.buffer.byteLength, MIN_MEMORY);
    this.#memory += memory;
    this.#stream.write(bytes, (error) => {
      this.#memory -= memory;
      this.#writes--;
      written?.(error);
      if (this.#memory > 0 || !this.#isDrainAwaited) return;
      this.#isDrainAwaited = false;
      this.#owner.drained();
    });
    if (!more || this.#gathered >= this.#maxGathered) this.flush();
  }

  /** Writes the gathered bytes. */
  flush(): void {
    if (!this.#isGathering) return;
    this.#isGathering = false;
    this.#stream.uncork();
  }

  /** Requests one call of `drained` for when the queue is empty. */
  awaitDrain(): void {
    this.#isDrainAwaited = true;
  }

  /**
   * Records the number of queued bytes before the stream is destroyed: afterwards the number is lost. `extra` bytes of each write
   * are not payload, and `others` bytes were written to the stream past this queue.
   */
  abandon(extra = 0, others = 0): void {
    this.abandoned ||= Math.max(0, queuedIn(this.#stream) - extra * this.#writes - others);
  }
}

function flushQueue(queue: WriteQueue): void {
  queue.flush();
}

import type { Duplex } from 'node:stream';

/** What a waiting write holds at least: a piece of one byte has its objects, too. */
const LEAST = 1024;

/**
 * Writes to a stream and counts what waits there by the memory that it holds: pieces of one byte, or a byte left of a
 * whole chunk, hold hundreds and thousands of times their length.
 */
export class Outlet {
  readonly #stream: Duplex;
  readonly #most: number;
  readonly #drained: () => void;
  #held = 0;
  #wasFull = false;

  /** `drained` is called when nothing waits any more, where it had been full. */
  constructor(stream: Duplex, most: number, drained: () => void) {
    this.#stream = stream;
    this.#most = most;
    this.#drained = drained;
  }

  /** `written` is told when the bytes are held no more; with an error they may still be. */
  write(bytes: Buffer, written?: (error?: Error | null) => void): void {
    const held = Math.max(bytes.buffer.byteLength, LEAST);
    this.#held += held;
    this.#stream.write(bytes, (error) => {
      this.#held -= held;
      written?.(error);
      if (this.#held > 0 || !this.#wasFull) return;
      this.#wasFull = false;
      this.#drained();
    });
  }

  /** Enough is waiting: stop until `drained`. */
  full(): boolean {
    // What the kernel has taken at once is told of later.
    const full = this.#held >= this.#most && this.#stream.writableLength > 0;
    this.#wasFull ||= full;
    return full;
  }
}

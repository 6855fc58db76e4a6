import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { isPlain } from './release.js';
import { noteTaken, queuedIn } from './write-progress.js';

/** What a waiting write holds at least: a piece of one byte has its objects, too. */
const LEAST = 1024;

/** As much as a reading of the kernel's own finds at once, at the most. */
const MOST_GATHERED = 512 * 1024;

/**
 * Writes to a stream and counts what waits there by the memory that it holds: pieces of one byte, or a byte left of a
 * whole chunk, hold hundreds and thousands of times their length.
 */
export class Outlet {
  readonly #stream: Duplex;
  readonly #most: number;
  readonly #drained: () => void;
  // What a socket has taken it knows itself.
  readonly #notes: boolean;
  /** Bytes written so far. */
  written = 0;
  /** Bytes of these that were still queued when the stream was given up. */
  abandoned = 0;
  #held = 0;
  #writes = 0;
  #wasFull = false;
  // For one write.
  readonly #mostGathered: number;
  #isGathering = false;
  #gathered = 0;

  /** `drained` is called when nothing waits any more, where it had been full. */
  constructor(stream: Duplex, most: number, drained: () => void) {
    this.#stream = stream;
    this.#most = most;
    this.#drained = drained;
    this.#notes = !(stream instanceof Socket);
    if (this.#notes) noteTaken(stream, 0);
    this.#mostGathered = isPlain(stream) ? Math.min(MOST_GATHERED, most / 2) : 0;
  }

  /**
   * `written` is told when the bytes are held no more; with an error they may still be. Where `more` will follow before
   * this turn ends, one system call may write it all: each wakes the peer up.
   */
  write(bytes: Buffer, written?: (error?: Error | null) => void, more = false): void {
    if (more && !this.#isGathering && bytes.length < this.#mostGathered) {
      this.#isGathering = true;
      this.#gathered = 0;
      this.#stream.cork();
      setImmediate(this.flush);
    }
    this.#gathered += bytes.length;
    this.written += bytes.length;
    this.#writes++;
    const held = Math.max(bytes.buffer.byteLength, LEAST);
    const noted = this.noting(bytes.length);
    this.#held += held;
    this.#stream.write(bytes, (error) => {
      this.#held -= held;
      this.#writes--;
      noted?.();
      written?.(error);
      if (this.#held > 0 || !this.#wasFull) return;
      this.#wasFull = false;
      this.#drained();
    });
    if (!more || this.#gathered >= this.#mostGathered) this.flush();
  }

  /** For a small write past this: what is taken of it is noted, too. */
  noting(size: number): (() => void) | undefined {
    return this.#notes ? () => noteTaken(this.#stream, size) : undefined;
  }

  /** Writes what was gathered. */
  readonly flush = (): void => {
    if (!this.#isGathering) return;
    this.#isGathering = false;
    this.#stream.uncork();
  };

  /**
   * The stream is about to be destroyed: afterwards nobody knows what the kernel had not accepted. Of each write `extra` bytes
   * are no payload, and `others` bytes were written past this.
   */
  abandon(extra = 0, others = 0): void {
    this.abandoned ||= Math.max(0, queuedIn(this.#stream) - extra * this.#writes - others);
  }

  /** Enough is waiting: stop until `drained`. */
  full(): boolean {
    // What the kernel has taken at once is told of later.
    const full = this.#held >= this.#most && this.#stream.writableLength > 0;
    this.#wasFull ||= full;
    return full;
  }
}

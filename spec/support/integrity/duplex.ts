import { Duplex } from 'node:stream';
import type { Random } from '../random.js';

/** Bytes that a pair buffers before it delays the next write. */
const MOST_HELD = 200_000;

/**
 * Two connected streams that are not sockets. Each stream reports a write as done some event-loop turns before it delivers the
 * bytes: code that changes or frees the buffer in the meantime corrupts the stream.
 */
export function holdingPair(random: Random): [HoldingDuplex, HoldingDuplex] {
  const [one, other] = [new HoldingDuplex(random), new HoldingDuplex(random)];
  one.far = other;
  other.far = one;
  return [one, other];
}

export class HoldingDuplex extends Duplex {
  far!: HoldingDuplex;
  readonly #random: Random;
  readonly #held: Buffer[] = [];
  #heldBytes = 0;
  #waiting: (() => void) | undefined;
  #wanted = false;
  #handing = false;
  #ended = false;

  constructor(random: Random) {
    super({ allowHalfOpen: true });
    this.#random = random;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.far.#held.push(chunk);
    this.far.#heldBytes += chunk.length;
    this.far.#hand();
    if (this.far.#heldBytes < MOST_HELD) done();
    else this.far.#waiting = done;
  }

  override _final(done: () => void): void {
    this.far.#ended = true;
    this.far.#hand();
    done();
  }

  override _read(): void {
    this.#wanted = true;
    this.#hand();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.far.destroyed) setImmediate(() => this.far.destroy());
    done(error);
  }

  /** Delivers the next chunk some event-loop turns later. */
  #hand(): void {
    if (this.#handing) return;
    this.#handing = true;
    let turns = this.#random.below(4);
    const later = () => {
      if (turns-- > 0) {
        setImmediate(later);
        return;
      }
      this.#handing = false;
      this.#deliver();
    };
    setImmediate(later);
  }

  #deliver(): void {
    if (this.destroyed || !this.#wanted) return;
    const chunk = this.#held.shift();
    if (chunk) {
      this.#heldBytes -= chunk.length;
      // A copy, which the reader may change.
      this.#wanted = this.push(Buffer.from(chunk));
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.();
      if (this.#held.length > 0 || this.#ended) this.#hand();
    } else if (this.#ended) {
      this.#ended = false;
      this.push(null);
    }
  }
}

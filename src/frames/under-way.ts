import { SLOWEST } from '../streams/close-clock.js';

/** A line may become so many times slower than it was when PONGs last came. */
const SLOWDOWN = 8;

/** PONGs that come together say nothing about the line: a rate is measured over so many milliseconds at least. */
const LEAST_MEASURED = 1000;

/** A peer that answers no PING at all must not make us remember every one. */
const MOST_PINGS = 64;

/**
 * How much of what was written the peer may not have yet. Kernels and proxies between hold megabytes, and a PING stands
 * behind them; its PONG confirms everything before it.
 */
export class UnderWay {
  /** What had been written when each unanswered PING was sent, oldest first. */
  readonly #pings: number[] = [];
  #confirmed = 0;
  #rate = 0;
  #measured = { bytes: 0, at: performance.now() };

  /** A PING was sent behind so many bytes. */
  pinged(written: number): void {
    if (this.#pings.length < MOST_PINGS) this.#pings.push(written);
  }

  /** A PONG came. False: no PING waits for one. */
  answered(): boolean {
    const confirmed = this.#pings.shift();
    if (confirmed === undefined) return false;
    this.#confirmed = confirmed;
    const now = performance.now();
    const { bytes, at } = this.#measured;
    if (now - at >= LEAST_MEASURED) {
      this.#rate = ((confirmed - bytes) * 1000) / (now - at);
      this.#measured = { bytes: confirmed, at: now };
    }
    return true;
  }

  /** Bytes of so many written that no PONG has confirmed. */
  unconfirmed(written: number): number {
    return written - this.#confirmed;
  }

  /** Seconds that the bytes before the oldest unanswered PING may take. */
  untilPong(): number {
    return this.secondsFor((this.#pings[0] ?? this.#confirmed) - this.#confirmed);
  }

  secondsFor(bytes: number): number {
    return bytes / Math.max(SLOWEST, this.#rate / SLOWDOWN);
  }
}

import { SLOWEST_LINE } from '../streams/close-clock.js';

/** How many times slower a line may become than it was when PONGs last came. */
const SLOWDOWN = 8;

/** PONGs that come together say nothing about the line: a rate is measured over this many milliseconds at least. */
const MIN_MEASURED = 1000;

/** Unanswered PINGs to remember: a peer that answers none must not cost memory without end. */
const MAX_PINGS = 64;

/**
 * How much of what was written the peer may not have yet. Kernels and proxies between hold megabytes, and a PING is queued after
 * them; its PONG confirms everything before it.
 */
export class BytesInFlight {
  /** The bytes written when each unanswered PING was sent, oldest first. */
  readonly #pings: number[] = [];
  #confirmed = 0;
  /** Bytes per second. */
  #rate = 0;
  #measured = { bytes: 0, at: performance.now() };

  /** A PING was sent after so many bytes. */
  pinged(written: number): void {
    if (this.#pings.length < MAX_PINGS) this.#pings.push(written);
  }

  /** Takes the PONG to the oldest PING into account. False: no PING is unanswered. */
  confirm(): boolean {
    const confirmed = this.#pings.shift();
    if (confirmed === undefined) return false;
    this.#confirmed = confirmed;
    const now = performance.now();
    const { bytes, at } = this.#measured;
    if (now - at >= MIN_MEASURED) {
      this.#rate = ((confirmed - bytes) * 1000) / (now - at);
      this.#measured = { bytes: confirmed, at: now };
    }
    return true;
  }

  /** Of so many bytes written, those that no PONG has confirmed. */
  unconfirmed(written: number): number {
    return written - this.#confirmed;
  }

  /** Seconds that the bytes before the oldest unanswered PING may take. */
  secondsUntilPong(): number {
    return this.secondsFor((this.#pings[0] ?? this.#confirmed) - this.#confirmed);
  }

  /** Seconds that so many bytes may take. */
  secondsFor(bytes: number): number {
    return bytes / Math.max(SLOWEST_LINE, this.#rate / SLOWDOWN);
  }
}

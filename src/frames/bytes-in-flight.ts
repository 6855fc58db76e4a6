import { SLOWEST_LINE } from '../streams/close-clock.js';

/** The factor by which a line may become slower since the last PONGs. */
const SLOWDOWN = 8;

/** Milliseconds. PONGs that arrive together say nothing about the line: a rate is measured over at least this time. */
const MIN_MEASURED = 1000;

/** Limit of remembered unanswered PINGs: a peer that answers no PING must not cost memory without end. */
const MAX_PINGS = 64;

/**
 * Counts the written bytes that the peer may not have received yet. Kernels and proxies in between queue megabytes, and a PING is
 * queued after these bytes; the PONG confirms all bytes before the PING.
 */
export class BytesInFlight {
  /** For each unanswered PING, oldest first: the count of written bytes when the PING was sent. */
  readonly #pings: number[] = [];
  #confirmed = 0;
  /** Bytes per second. */
  #rate = 0;
  #measured = { bytes: 0, at: performance.now() };

  /** A PING was sent after `written` bytes. */
  pinged(written: number): void {
    if (this.#pings.length < MAX_PINGS) this.#pings.push(written);
  }

  /** Records the PONG to the oldest PING. Returns false if no PING is unanswered. */
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

  /** The part of `written` bytes that no PONG has confirmed. */
  unconfirmed(written: number): number {
    return written - this.#confirmed;
  }

  /** Seconds that the bytes before the oldest unanswered PING may take. */
  secondsUntilPong(): number {
    return this.secondsFor((this.#pings[0] ?? this.#confirmed) - this.#confirmed);
  }

  /** Seconds that a number of bytes may take. */
  secondsFor(bytes: number): number {
    return bytes / Math.max(SLOWEST_LINE, this.#rate / SLOWDOWN);
  }
}

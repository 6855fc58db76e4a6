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
  /** The count of written bytes when the oldest unanswered PING was sent. */
  #oldest: number | undefined;
  /** The same for later PINGs, oldest first. Most peers answer each PING before the next one. */
  #later: number[] | undefined;
  #confirmed = 0;
  /** Bytes per second. */
  #rate = 0;
  /** The confirmed bytes at the start of the current measurement, and the time of the start. */
  #measuredBytes = 0;
  #measuredAt = performance.now();

  /** A PING was sent after `written` bytes. */
  pinged(written: number): void {
    if (this.#oldest === undefined) this.#oldest = written;
    else if ((this.#later ??= []).length < MAX_PINGS - 1) this.#later.push(written);
  }

  /** Records the PONG to the oldest PING. Returns false if no PING is unanswered. */
  confirm(): boolean {
    const confirmed = this.#oldest;
    if (confirmed === undefined) return false;
    this.#oldest = this.#later?.shift();
    if (this.#oldest === undefined) this.#later = undefined;
    this.#confirmed = confirmed;
    const now = performance.now();
    const elapsed = now - this.#measuredAt;
    if (elapsed >= MIN_MEASURED) {
      this.#rate = ((confirmed - this.#measuredBytes) * 1000) / elapsed;
      this.#measuredBytes = confirmed;
      this.#measuredAt = now;
    }
    return true;
  }

  /** The number of unanswered PINGs. */
  get unanswered(): number {
    return this.#oldest === undefined ? 0 : 1 + (this.#later?.length ?? 0);
  }

  /** The part of `written` bytes that no PONG has confirmed. */
  unconfirmed(written: number): number {
    return written - this.#confirmed;
  }

  /** Seconds that the bytes before the oldest unanswered PING may take. */
  secondsUntilPong(): number {
    return this.secondsFor((this.#oldest ?? this.#confirmed) - this.#confirmed);
  }

  /** Seconds that a number of bytes may take. */
  secondsFor(bytes: number): number {
    return bytes / Math.max(SLOWEST_LINE, this.#rate / SLOWDOWN);
  }
}

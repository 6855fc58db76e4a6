/** Seconds until a failed program is started again: the first delay and the longest. Each failure in a row doubles the delay. */
const FIRST_DELAY = 1;
const MAX_DELAY = 60;

/** Decides when a program may be started again after a process ended or failed. Times are values of `performance.now()`. */
export class RestartDelay {
  #failures = 0;
  #retryAt = 0;
  #minimumAt = 0;

  /** A process failed. Returns false during the delay of an earlier failure: processes that fail together count once. */
  failed(now: number): boolean {
    if (now < this.#retryAt) return false;
    const delay = Math.min(FIRST_DELAY * 2 ** this.#failures++, MAX_DELAY);
    this.#retryAt = now + delay * 1000;
    return true;
  }

  /** A process ended without a failure. `isReplaced`: `minProcs` asks for a replacement, which must not restart in a tight loop. */
  ended(now: number, isReplaced: boolean): void {
    this.#failures = 0;
    if (isReplaced) this.#minimumAt = now + FIRST_DELAY * 1000;
  }

  /** Milliseconds until a tunnel may start a process; 0 or less means now. */
  untilRetry(now: number): number {
    return this.#retryAt - now;
  }

  /** Milliseconds until `minProcs` may start a process; 0 or less means now. */
  untilMinimum(now: number): number {
    return Math.max(this.#retryAt, this.#minimumAt) - now;
  }

  /** Milliseconds for which failures are remembered, since a further failure in a row doubles the delay; 0 without failures. */
  memory(now: number): number {
    return this.#failures === 0 ? 0 : this.untilRetry(now) + MAX_DELAY * 1000;
  }
}

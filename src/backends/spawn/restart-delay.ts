/** Seconds until a program that failed is started again: after the first failure, and at most. Each failure in a row doubles them. */
const FIRST_DELAY = 1;
const MAX_DELAY = 60;

/** When a program may be started again after its processes ended or failed. Times are those of `performance.now()`. */
export class RestartDelay {
  #failures = 0;
  #retryAt = 0;
  #minimumAt = 0;

  /** A process failed. Returns false where it failed together with others: several such failures count as one. */
  failed(now: number): boolean {
    if (now < this.#retryAt) return false;
    const delay = Math.min(FIRST_DELAY * 2 ** this.#failures++, MAX_DELAY);
    this.#retryAt = now + delay * 1000;
    return true;
  }

  /** A process ended without a failure. `isReplaced`: `minProcs` asks for another one, which must not start again and again at once. */
  ended(now: number, isReplaced: boolean): void {
    this.#failures = 0;
    if (isReplaced) this.#minimumAt = now + FIRST_DELAY * 1000;
  }

  /** Milliseconds until a tunnel may start a process; 0 or less for now. */
  untilRetry(now: number): number {
    return this.#retryAt - now;
  }

  /** Milliseconds until `minProcs` may start a process; 0 or less for now. */
  untilMinimum(now: number): number {
    return Math.max(this.#retryAt, this.#minimumAt) - now;
  }

  /** Milliseconds for which the failures are remembered, since the next one in a row doubles the delay; 0 without failures. */
  memory(now: number): number {
    return this.#failures === 0 ? 0 : this.untilRetry(now) + MAX_DELAY * 1000;
  }
}

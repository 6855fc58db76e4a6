/** Milliseconds: the store's times are whole numbers, rounded down. */
const STEP = 1;

/**
 * The difference between the store's clock and the clock of this process. The store reads its clock between a call and its answer, so
 * each answer gives bounds of the difference. The narrowest bounds are kept: a slow answer does not widen them.
 */
export class StoreClock {
  #least = -Infinity;
  #most = Infinity;

  /** Milliseconds by which the store's clock is ahead of `performance.now()`. */
  get ahead(): number {
    return this.#most === Infinity ? 0 : (this.#least + this.#most) / 2;
  }

  /**
   * A past time on the store's clock as a value of `performance.now()`: the latest possible value, since a logout must not miss a
   * tunnel that was opened just before.
   */
  latest(storeTime: number): number {
    return Math.min(performance.now(), storeTime + STEP - this.#least);
  }

  /** Notes an answer. `now`: the time on the store's clock, read between `started` and `ended` (`performance.now()`). */
  note(now: number, started: number, ended: number): void {
    const least = now - ended;
    const most = now + STEP - started;
    const isStepped = least > this.#most || most < this.#least;
    this.#least = isStepped ? least : Math.max(this.#least, least);
    this.#most = isStepped ? most : Math.min(this.#most, most);
  }
}

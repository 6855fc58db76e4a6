/** Milliseconds: the store's times are whole numbers, rounded down. */
const STEP = 1;

/**
 * The difference of the store's clock and this process's. Each answer says within which bounds the difference is: the store read
 * its clock between question and answer. A slow answer does not spoil what quick ones have told.
 */
export class StoreClock {
  #least = -Infinity;
  #most = Infinity;

  /** Milliseconds by which the store's clock is ahead of `performance.now()`. */
  get ahead(): number {
    return this.#most === Infinity ? 0 : (this.#least + this.#most) / 2;
  }

  /**
   * A time of the past on the store's clock as a value of `performance.now()`: the latest that is possible, since a logout must not
   * miss a tunnel that was opened just before.
   */
  latest(storeTime: number): number {
    return Math.min(performance.now(), storeTime + STEP - this.#least);
  }

  /** `now`: on the store's clock, read between `started` and `ended`. */
  note(now: number, started: number, ended: number): void {
    const least = now - ended;
    const most = now + STEP - started;
    const isStepped = least > this.#most || most < this.#least;
    this.#least = isStepped ? least : Math.max(this.#least, least);
    this.#most = isStepped ? most : Math.min(this.#most, most);
  }
}

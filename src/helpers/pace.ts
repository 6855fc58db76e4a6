/** Milliseconds that may be caught up after a delay: a timer of Node is exact to a few. */
const CATCH_UP = 50;

/**
 * Spreads some actions evenly over a time. After a stall of the event loop the missed actions are not run together: the rest comes
 * later. Actions that are no longer needed make the rest slower, never faster. Times in milliseconds, by `performance.now()`.
 */
export class Pace {
  readonly #end: number;
  // Several processes that spread the same way must not act at the same moments.
  readonly #phase = Math.random();
  #gap: number;
  #due: number;

  constructor(now: number, time: number, count: number) {
    this.#end = now + time;
    this.#gap = time / Math.max(1, count);
    this.#due = now + this.#phase * this.#gap;
  }

  /** The time of the next action. */
  get due(): number {
    return this.#due;
  }

  /** The time of the last action is not after this time, unless the event loop stalls. */
  get end(): number {
    return this.#end;
  }

  /** An action was run; `left` follow. */
  ran(now: number, left: number): void {
    const due = Math.max(this.#due, now - Math.max(this.#gap, CATCH_UP));
    this.#gap = Math.max(this.#gap, (this.#end - due) / (left + 1 - this.#phase));
    this.#due = due + this.#gap;
  }
}

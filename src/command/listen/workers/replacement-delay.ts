/** A worker that has run this long, in ms, is not part of a crash loop. */
const STABLE = 10_000;
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;

/** Pauses between the starts of a worker: none after the first death, then one second, doubled for each further death soon after a start. */
export class ReplacementDelay {
  #deaths = 0;

  /** The number of deaths in a row. */
  get deaths(): number {
    return this.#deaths;
  }

  /** Notes a death `uptime` ms after the worker was ready; returns the pause before the next start, in ms. */
  next(uptime: number): number {
    this.#deaths = uptime >= STABLE ? 1 : this.#deaths + 1;
    return this.#deaths === 1 ? 0 : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (this.#deaths - 2));
  }

  reset(): void {
    this.#deaths = 0;
  }
}

/** Counts values by upper bounds, as a histogram of Prometheus does. No memory is allocated after the constructor. */
export class Histogram {
  /** Upper bounds in rising order; the last bucket, without a bound, has all other values. */
  readonly bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    // A bucket includes its bound: `le` is "less or equal".
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] ?? Infinity)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    // Prometheus takes a sum that falls for a restart.
    this.#sum += Math.max(0, value);
  }

  /** The number of values. */
  get count(): number {
    return this.#counts.reduce((total, count) => total + count, 0);
  }

  get sum(): number {
    return this.#sum;
  }

  /** For each bound the number of values up to the bound, and at the end the number of all values. */
  cumulativeCounts(): number[] {
    let total = 0;
    return Array.from(this.#counts, (count) => (total += count));
  }
}

/** Limit of the values of a label. A series for each value would cost memory here and in Prometheus. */
const MOST_VALUES = 1000;

/** The label value that counts all values above the limit. */
export const OTHER = 'other';

/** A counter with labels. */
export class LabelCounts {
  readonly #counts = new Map<string, number>();
  readonly #most: number;

  constructor(most = MOST_VALUES) {
    this.#most = most;
  }

  add(value: string): void {
    const known = this.#counts.get(value);
    if (known !== undefined) this.#counts.set(value, known + 1);
    else if (this.#counts.size < this.#most) this.#counts.set(value, 1);
    else this.#counts.set(OTHER, (this.#counts.get(OTHER) ?? 0) + 1);
  }

  entries(): Iterable<[string, number]> {
    return this.#counts.entries();
  }
}

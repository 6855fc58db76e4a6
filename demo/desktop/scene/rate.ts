/** Weight of the newest sample: at 12 samples a second, the figure follows within half a second. */
const WEIGHT = 0.2;
/** Milliseconds. The desktop stands still without viewers: what was carried meanwhile is not a rate of now. */
const MAX_GAP = 1000;

/** Bits per second of a total of bytes that grows. */
export class Rate {
  #at: number | undefined;
  #total = 0;
  #value = 0;

  /** `now` in milliseconds. */
  next(now: number, total: number): number {
    const elapsed = this.#at === undefined ? Infinity : now - this.#at;
    const bits = Math.max(0, total - this.#total) * 8;
    this.#at = now;
    this.#total = total;
    if (elapsed > MAX_GAP) this.#value = 0;
    else if (elapsed > 0) this.#value += ((bits / elapsed) * 1000 - this.#value) * WEIGHT;
    return this.#value;
  }
}

/** The least 1, 2 or 5 times a power of ten that is not below `value`. */
export function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5].find((step) => step * power >= value) ?? 10) * power;
}

/** `1.2`, `Mbit/s`. */
export function readable(bits: number): { figure: string; unit: string } {
  const [divisor, unit] = bits >= 999_500 ? [1e6, 'Mbit/s'] : [1e3, 'kbit/s'];
  const value = bits / divisor;
  return { figure: value.toFixed(value < 99.95 ? 1 : 0), unit };
}

/** Weight of the newest sample: at 12 samples a second, the rate adapts within half a second. */
const WEIGHT = 0.2;
/** Milliseconds. The desktop stops without viewers: bytes of a longer gap do not count in the rate. */
const MAX_GAP = 1000;

/** Bits per second, from a growing total of bytes. */
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

/** The smallest of 1, 2, 5, 10, 20, 50 ... that is at least `value`. */
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

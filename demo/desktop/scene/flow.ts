/** A figure that wanders smoothly between 0 and 1, as traffic on a line does. */
export class Flow {
  #value: number;
  #speed = 0;
  #goal = 0.5;
  #wait = 0;

  constructor(
    private readonly calm: number,
    private readonly burst: number,
  ) {
    this.#value = calm;
  }

  next(): number {
    if (--this.#wait <= 0) {
      const isBurst = Math.random() < 0.3;
      this.#goal = isBurst ? this.burst * (0.7 + Math.random() * 0.3) : this.calm * (0.5 + Math.random());
      this.#wait = 8 + Math.floor(Math.random() * 26);
    }
    this.#speed = this.#speed * 0.8 + (this.#goal - this.#value) * 0.028;
    this.#value += this.#speed + (Math.random() - 0.5) * 0.006;
    this.#value = Math.max(0.02, Math.min(0.97, this.#value));
    return this.#value;
  }
}

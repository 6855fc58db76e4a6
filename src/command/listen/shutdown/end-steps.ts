import { softTime, type DrainTimes } from '../../drain.js';
import type { Signal } from '../../process/io.js';

interface EndActions {
  /** Begins the drain. */
  readonly drain: () => void;
  /** Skips the time before the Closes. */
  readonly hurry: () => void;
  /** Ends the process. */
  readonly cut: (signal: Signal) => void;
}

/** The effect of each further signal. If there is no time to skip, the second signal ends the process. */
export class EndSteps {
  readonly #times: DrainTimes;
  readonly #actions: EndActions;
  #signals = 0;

  constructor(times: DrainTimes, actions: EndActions) {
    this.#times = times;
    this.#actions = actions;
  }

  /** The drain has begun without a signal. */
  begun(): void {
    this.#signals = Math.max(1, this.#signals);
  }

  signal(signal: Signal): void {
    this.#signals++;
    if (this.#signals === 1) this.#actions.drain();
    else if (this.#signals === 2 && softTime(this.#times) > 0) this.#actions.hurry();
    else this.#actions.cut(signal);
  }
}

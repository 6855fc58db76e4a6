/**
 * Bytes per second of the slowest line that counts as alive: half of the slowest known line, so that both directions may share
 * the line.
 */
export const SLOWEST_LINE = 4096;

/** Samples per `closeTimeout`. Progress is visible by samples only. */
const SAMPLES = 4;

/** Limit of `patience`, as a multiple of `closeTimeout`: with the default of 10 s five minutes. */
const MAX_PATIENCE = 30;

/** Times in seconds. */
export interface CloseTimes {
  /** The longest time without progress. */
  readonly closeTimeout: number;
  /** The longest time in all, with or without progress. Default: no limit. */
  readonly drainTimeout?: number;
}

/** The deadline that has passed. */
export type CloseLimit = keyof CloseTimes;

/**
 * The deadline for a peer to finish, once a Close has been sent or received. The deadline starts again as long as bytes move: a
 * fixed deadline would end a slow line in the middle of the last bytes. A stall of the event loop costs one sample, not the
 * deadline.
 */
export class CloseClock {
  readonly #times: CloseTimes;
  readonly #sample: () => boolean;
  readonly #expired: (limit: CloseLimit) => void;
  #timer: NodeJS.Timeout | undefined;
  #patience: (() => number) | undefined;
  /** Samples since the start, and samples in a row without progress. */
  #samples = 0;
  #idle = 0;

  /** `sample`: have bytes moved since the previous call? `expired` is called at most once per start. */
  constructor(times: CloseTimes, sample: () => boolean, expired: (limit: CloseLimit) => void) {
    this.#times = times;
    this.#sample = sample;
    this.#expired = expired;
  }

  /** `patience`: seconds without visible progress that are currently granted in addition to `closeTimeout`. */
  start(patience?: () => number): void {
    this.stop();
    this.#patience = patience;
    this.#samples = this.#idle = 0;
    this.#sample();
    this.#timer = setInterval(CloseClock.#onInterval, (this.#times.closeTimeout / SAMPLES) * 1000, this);
  }

  /** A function for all clocks: a closure for each would cost memory. */
  static readonly #onInterval = (clock: CloseClock): void => clock.#tick();

  /** Removes the patience: the deadline starts again without it. */
  endPatience(): void {
    this.#patience = undefined;
    this.#idle = 0;
  }

  #tick(): void {
    const { closeTimeout, drainTimeout = Infinity } = this.#times;
    const most = Math.ceil(Math.max(drainTimeout, closeTimeout) / (closeTimeout / SAMPLES));
    this.#samples++;
    this.#idle = this.#sample() ? 0 : this.#idle + 1;
    const patience = this.#patience?.() ?? 0;
    const mostIdle = Math.floor(SAMPLES * (1 + Math.min(patience / closeTimeout, MAX_PATIENCE)));
    if (this.#idle < mostIdle && this.#samples < most) return;
    this.stop();
    this.#expired(this.#idle < mostIdle ? 'drainTimeout' : 'closeTimeout');
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

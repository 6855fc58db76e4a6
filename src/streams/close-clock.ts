/**
 * Bytes per second that a living line is assumed to carry at least: half of the slowest known one, so that both directions
 * may share it.
 */
export const SLOWEST_LINE = 4096;

/** Progress can only be seen by samples: so many within `closeTimeout`. */
const SAMPLES = 4;

/** How many times `closeTimeout` patience may add at most: with the default of 10 s five minutes. */
const MAX_PATIENCE = 30;

/** Times in seconds. */
export interface CloseTimes {
  /** The longest time without progress. */
  readonly closeTimeout: number;
  /** The longest time in all, with or without progress. Default: no limit. */
  readonly drainTimeout?: number;
}

/** Which deadline has passed. */
export type CloseLimit = keyof CloseTimes;

/**
 * The deadline for a peer to finish, once a Close is on its way. It starts again as long as bytes move: a fixed deadline would
 * cut a slow line off in the middle of its last bytes. A stall of the event loop costs one sample, not the deadline.
 */
export class CloseClock {
  readonly #times: CloseTimes;
  readonly #sample: () => boolean;
  readonly #expired: (limit: CloseLimit) => void;
  #timer: NodeJS.Timeout | undefined;

  /** `sample`: has anything moved since the previous call? `expired` is called once for each start. */
  constructor(times: CloseTimes, sample: () => boolean, expired: (limit: CloseLimit) => void) {
    this.#times = times;
    this.#sample = sample;
    this.#expired = expired;
  }

  /** `patience`: seconds without visible progress that are granted now in addition to `closeTimeout`. */
  start(patience: () => number = () => 0): void {
    this.stop();
    const { closeTimeout, drainTimeout = Infinity } = this.#times;
    const period = closeTimeout / SAMPLES;
    const most = Math.ceil(Math.max(drainTimeout, closeTimeout) / period);
    let samples = 0;
    let idle = 0;
    this.#sample();
    this.#timer = setInterval(() => {
      samples++;
      idle = this.#sample() ? 0 : idle + 1;
      const mostIdle = Math.floor(SAMPLES * (1 + Math.min(patience() / closeTimeout, MAX_PATIENCE)));
      if (idle < mostIdle && samples < most) return;
      this.stop();
      this.#expired(idle < mostIdle ? 'drainTimeout' : 'closeTimeout');
    }, period * 1000);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

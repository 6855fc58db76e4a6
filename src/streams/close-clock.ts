/**
 * Bytes per second that a living line is assumed to carry at least: half of the slowest that we know, so that both
 * directions may share it.
 */
export const SLOWEST = 4096;

/** Movement can only be seen by looking: so many times within `closeTimeout`. */
const LOOKS = 4;

/** The most by which patience lengthens `closeTimeout`: with its default of 10 s five minutes. */
const MOST_PATIENCE = 30;

/** Times in seconds. */
export interface CloseTimes {
  /** For how long nothing may move. */
  readonly closeTimeout: number;
  /** After this much time the end comes although bytes move. Default: never. */
  readonly drainTimeout?: number;
}

/** Why the time was over. */
export type CloseLimit = keyof CloseTimes;

/**
 * The time that a peer has to finish once a Close is on its way. It starts anew as long as bytes move: a fixed time would
 * cut off a slow line in the middle of what it carries. An event loop that stands still costs one look, not the deadline.
 */
export class CloseClock {
  readonly #times: CloseTimes;
  readonly #moves: () => boolean;
  readonly #expired: (limit: CloseLimit) => void;
  #timer: NodeJS.Timeout | undefined;

  /** `moves`: has anything moved since the last call? `expired` is called once for each start. */
  constructor(times: CloseTimes, moves: () => boolean, expired: (limit: CloseLimit) => void) {
    this.#times = times;
    this.#moves = moves;
    this.#expired = expired;
  }

  /** `patience`: seconds that may pass now without a movement that can be seen, besides `closeTimeout`. */
  start(patience: () => number = () => 0): void {
    this.stop();
    const { closeTimeout, drainTimeout = Infinity } = this.#times;
    const each = closeTimeout / LOOKS;
    const most = Math.ceil(Math.max(drainTimeout, closeTimeout) / each);
    let looks = 0;
    let silent = 0;
    this.#moves();
    this.#timer = setInterval(() => {
      looks++;
      silent = this.#moves() ? 0 : silent + 1;
      const mostSilent = Math.floor(LOOKS * (1 + Math.min(patience() / closeTimeout, MOST_PATIENCE)));
      if (silent < mostSilent && looks < most) return;
      this.stop();
      this.#expired(silent < mostSilent ? 'drainTimeout' : 'closeTimeout');
    }, each * 1000);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

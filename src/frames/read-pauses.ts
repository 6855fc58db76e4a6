import type { Duplex } from 'node:stream';

/** Reasons to pause reading of the peer. Each reason is one bit. */
export const PAUSE = {
  /** The receiver of the payload is full. */
  backend: 1,
  /** The peer sends PINGs and does not accept the PONGs. */
  pongs: 2,
  /** The chunk was enough work for this event-loop turn. */
  turn: 4,
} as const;

export type PauseReason = (typeof PAUSE)[keyof typeof PAUSE];

/** Reads a socket while there is no reason to pause. */
export class ReadPauses {
  readonly #socket: Duplex;
  #reasons = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  has(reason: PauseReason): boolean {
    return (this.#reasons & reason) !== 0;
  }

  add(reason: PauseReason): void {
    this.#reasons |= reason;
    this.apply();
  }

  remove(reasons: number): void {
    this.#reasons &= ~reasons;
    this.apply();
  }

  /** Pauses until other connections have had a turn. */
  yieldTurn(): void {
    this.add(PAUSE.turn);
    setImmediate(() => this.remove(PAUSE.turn));
  }

  apply(): void {
    if (this.#reasons === 0) this.#socket.resume();
    else this.#socket.pause();
  }
}

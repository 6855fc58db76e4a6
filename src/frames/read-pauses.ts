import type { Duplex } from 'node:stream';

/** Why the peer is not read. Each reason is one bit. */
export const PAUSE = {
  /** The receiver of the payload is full. */
  backend: 1,
  /** The peer sends PINGs and does not accept the PONGs. */
  pongs: 2,
  /** A chunk was work enough for this event-loop turn. */
  turn: 4,
} as const;

export type PauseReason = (typeof PAUSE)[keyof typeof PAUSE];

/** Reads a socket unless a reason is against it. */
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

  /** Reads on after the other connections had their turn. */
  yieldTurn(): void {
    this.add(PAUSE.turn);
    setImmediate(() => this.remove(PAUSE.turn));
  }

  apply(): void {
    if (this.#reasons === 0) this.#socket.resume();
    else this.#socket.pause();
  }
}

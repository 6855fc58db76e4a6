import type { Duplex } from 'node:stream';
import { startReading, stopReading } from '../internals/node-net.js';
import { isPlain } from './release.js';
import { turns as eventLoopTurns, type Turns, type TurnTaker } from './turns.js';

/** Reasons to pause reading of the peer. Each reason is one bit. */
export const PAUSE = {
  /** The receiver of the payload is full. */
  receiver: 1,
  /** The peer sends PINGs and does not accept the PONGs. */
  pongs: 2,
  /** The connection is queued for a later event-loop turn. */
  turn: 4,
} as const;

/** Bytes. A connection that has read no more than this in a turn is not queued: keystrokes, PONGs and Closes are small. */
const SMALL = 4096;

/** Milliseconds that one connection reads in a turn: bytes of TLS, small frames and an app's streams need more work than others. */
const MOST_TIME = 1;

/** Milliseconds after a larger read in which a small read is the rest of the larger read, and no interactive message. */
const BULK = 100;

/** Reads a stream while there is no reason to pause. After a share of an event-loop turn, other connections go first. */
export class ReadPauses implements TurnTaker {
  readonly #stream: Duplex;
  readonly #turns: Turns;
  readonly #isPlain: boolean;
  #reasons = 0;
  /** The turn in which `#share` bytes were read, since `#began`. */
  #turn = -1;
  #share = 0;
  #began = 0;
  /** Bytes granted in this turn to a connection from the queue; 0 for other connections. */
  #quantum = 0;
  #largeAt = -Infinity;

  constructor(stream: Duplex, turns: Turns = eventLoopTurns) {
    this.#stream = stream;
    this.#turns = turns;
    this.#isPlain = isPlain(stream);
  }

  /** Does one of these reasons hold? */
  has(reasons: number): boolean {
    return (this.#reasons & reasons) !== 0;
  }

  add(reason: number): void {
    this.#reasons |= reason;
    this.apply();
  }

  /** Removes reasons. While other connections are queued for a turn, this connection is queued as well. */
  remove(reasons: number): void {
    const before = this.#reasons;
    this.#reasons &= ~reasons;
    if (this.#reasons === 0 && before !== 0 && this.#turns.isBusy) this.#await();
    this.apply();
  }

  /** Bytes that may still be read in this turn; 0 or less if the rest of the turn belongs to other connections. */
  get left(): number {
    if (this.#turn !== this.#turns.number) return this.#turns.left(0);
    return this.#quantum > 0 ? this.#quantum - this.#share : this.#turns.left(this.#share);
  }

  /** Counts read bytes. After the share of this turn, pauses until a later turn. `isCostly`: these bytes are a whole share. */
  spend(length: number, isCostly = false): void {
    const now = performance.now();
    if (this.#turn !== this.#turns.number) this.#begin(0);
    if (this.#share === 0) this.#began = now;
    this.#share += length;
    this.#turns.count(length);
    if (this.#share <= SMALL && !isCostly) {
      if (now - this.#largeAt > BULK) this.#turns.noteSmall(now);
      return;
    }
    this.#largeAt = now;
    if (this.has(PAUSE.turn)) return;
    if (!isCostly && this.left > 0 && now - this.#began < MOST_TIME) return;
    this.#await();
    this.apply();
  }

  takeTurn(): void {
    this.#begin(this.#turns.quantum);
    this.#reasons &= ~PAUSE.turn;
    this.apply();
  }

  /** Pauses or resumes the stream by the current reasons. */
  apply(): void {
    if (this.#reasons === 0) {
      if (this.#isPlain) startReading(this.#stream);
      this.#stream.resume();
    } else if (this.#reasons === PAUSE.turn && this.#isPlain) {
      // After `pause()` a socket reads one more chunk, which costs memory for each busy connection.
      stopReading(this.#stream);
    } else {
      this.#stream.pause();
    }
  }

  #begin(quantum: number): void {
    this.#turn = this.#turns.number;
    this.#share = 0;
    this.#quantum = quantum;
  }

  #await(): void {
    this.#reasons |= PAUSE.turn;
    this.#turns.await(this);
  }
}

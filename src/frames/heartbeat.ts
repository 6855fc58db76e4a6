import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { whenCaughtUp } from '../streams/caught-up.js';
import { takenMark } from '../streams/write-progress.js';
import { UnderWay } from './under-way.js';

/** Times in seconds. */
export interface HeartbeatSettings {
  readonly pingInterval: number;
  readonly pongTimeout: number;
}

/** The stream that is watched. */
export interface HeartbeatStream {
  /** Bytes written to it so far. */
  written(): number;
  /** False: no PING is sent any more. */
  sendPing(): boolean;
  /** A PONG can't be heard while nothing is read, and none is waited for behind a Close. */
  cannotHear(): boolean;
  /** The peer was silent for too long. */
  silent(): void;
}

/**
 * How many times `pongTimeout` a peer may accept none of its queued bytes. The kernel accepts more in bursts: on a slow
 * line minutes apart.
 */
const MAX_STALLS = 6;

/** How many times `pongTimeout` bytes under way may delay a PONG, ... */
const MOST_WAITS = 45;

/** ... and for how many seconds: as long as Linux itself sends again what a peer does not acknowledge (tcp_retries2). */
const MOST_SECONDS = 900;

/** PINGs, and the deadline for a sign of life behind each. */
export class Heartbeat {
  readonly #socket: Duplex;
  readonly #settings: HeartbeatSettings;
  readonly #stream: HeartbeatStream;
  readonly #underWay = new UnderWay();
  #heard = false;
  #takenAtPing = 0;
  // Since the last look for a PONG.
  #waited = false;
  #waits = 0;
  #pingTimer: NodeJS.Timeout | undefined;
  #pongTimer: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, settings: HeartbeatSettings, stream: HeartbeatStream) {
    this.#socket = socket;
    this.#settings = settings;
    this.#stream = stream;
  }

  start(): void {
    const { pingInterval } = this.#settings;
    if (pingInterval > 0) this.#pingTimer = setInterval(this.#ping, pingInterval * 1000);
  }

  stop(): void {
    clearInterval(this.#pingTimer);
    clearTimeout(this.#pongTimer);
  }

  /** Something of the peer was read, or may have come while nothing was read. */
  heard(): void {
    this.#heard = true;
  }

  /** False: it answers no PING. */
  pong(): boolean {
    return this.#underWay.answered();
  }

  /** Bytes were written, and some of them are queued. */
  queued(): void {
    // TLS says later that the kernel took it: counted at once, every line would be a slow one.
    if (this.#pongTimer && !this.#waited) setImmediate(this.#lookForWaiting);
  }

  /** Bytes that no PONG has confirmed. */
  unconfirmed(): number {
    return this.#underWay.unconfirmed(this.#stream.written());
  }

  /** Seconds that those may take on a slow line. */
  secondsUnderWay(): number {
    return this.#underWay.secondsFor(this.unconfirmed());
  }

  readonly #ping = (): void => {
    const socket = this.#socket;
    // On any other Duplex one more, behind what waits, would look like movement.
    if (this.#pongTimer && socket.writableLength > 0 && !(socket instanceof Socket)) return;
    const before = this.#stream.written();
    if (!this.#stream.sendPing()) return;
    this.#underWay.pinged(before);
    if (this.#pongTimer || this.#settings.pongTimeout === 0) return;
    this.#heard = false;
    this.#waits = 0;
    this.#awaitPong();
  };

  #awaitPong(): void {
    this.#takenAtPing = takenMark(this.#socket);
    this.#waited = this.#socket.writableLength > 0;
    this.#pongTimer = setTimeout(this.#listenForPong, this.#settings.pongTimeout * 1000);
  }

  readonly #listenForPong = (): void => {
    whenCaughtUp(() => {
      this.#pongTimer = undefined;
      if (this.#heard || this.#stream.cannotHear()) return;
      // Where bytes are queued, the PING is queued behind them: a slow line is alive as long as it accepts some now and then.
      const isQueued = this.#waited || this.#socket.writableLength > 0;
      const moves = isQueued && takenMark(this.#socket) !== this.#takenAtPing;
      this.#waits = moves ? 0 : this.#waits + 1;
      if (this.#waits < Math.max(isQueued ? MAX_STALLS : 1, this.#mostWaits())) this.#awaitPong();
      else this.#stream.silent();
    });
  };

  /** And where the kernel has accepted them, it may not have delivered them. */
  #mostWaits(): number {
    const { pongTimeout } = this.#settings;
    const seconds = Math.min(this.#underWay.untilPong(), MOST_SECONDS);
    return Math.floor(1 + Math.min(seconds / pongTimeout, MOST_WAITS));
  }

  readonly #lookForWaiting = (): void => {
    this.#waited ||= this.#socket.writableLength > 0;
  };
}

import type { Duplex } from 'node:stream';
import { afterPendingReads } from '../streams/pending-reads.js';
import { acceptedMark } from '../streams/write-progress.js';
import { BytesInFlight } from './bytes-in-flight.js';

/** Times in seconds. */
export interface HeartbeatSettings {
  readonly pingInterval: number;
  readonly pongTimeout: number;
}

/** The connection that is watched. */
export interface HeartbeatStream {
  /** Bytes written so far. */
  written(): number;
  /** False: no PING is sent any more. */
  canPing(): boolean;
  ping(): void;
  /** May PONGs be missing because nothing is read, or because a Close is on its way? */
  isDeaf(): boolean;
  /** The peer gave no sign of life for too long. */
  silent(): void;
}

/**
 * `pongTimeout` periods that a peer may go without accepting queued bytes. The kernel reports them in bursts: on a slow line
 * minutes apart.
 */
const MAX_STALLS = 6;

/** `pongTimeout` periods by which bytes in flight may delay a PONG, ... */
const MAX_WAITS = 45;

/** ... and seconds: as long as Linux itself repeats what a peer does not acknowledge (tcp_retries2). */
const MAX_SECONDS = 900;

/**
 * Liveness: a PING in every `pingInterval`, and `pongTimeout` after it for a sign of life. Anything that is read is one, and so is
 * progress of the queue, where the PING itself is still queued.
 *
 *     PING --- pongTimeout ---> heard anything? -- yes --> next PING
 *                                     | no
 *                               queue moved, or bytes in flight on a slow line? -- yes --> wait for another pongTimeout
 *                                     | no, MAX_STALLS times with a queue
 *                               silent()
 */
export class Heartbeat {
  readonly #socket: Duplex;
  readonly #settings: HeartbeatSettings;
  readonly #stream: HeartbeatStream;
  readonly #inFlight = new BytesInFlight();
  /** Something was read since the PING. */
  #wasHeard = false;
  #markAtPing = 0;
  /** Bytes were queued at some time since the last look for a PONG. */
  #wasQueued = false;
  /** `pongTimeout` periods without any sign of life. */
  #waits = 0;
  #pingTimer: NodeJS.Timeout | undefined;
  /** Runs from a PING until its deadline. */
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
    this.#wasHeard = true;
  }

  /** A PONG came. False: it answers no PING. */
  pong(): boolean {
    return this.#inFlight.confirm();
  }

  /** Bytes were written, and some of them are queued. */
  queued(): void {
    // TLS reports a turn later that the kernel has accepted everything: looked at now, every line would be a slow one.
    if (this.#pongTimer && !this.#wasQueued) setImmediate(this.#noteQueue);
  }

  /** Bytes that no PONG has confirmed. */
  unconfirmed(): number {
    return this.#inFlight.unconfirmed(this.#stream.written());
  }

  /** Seconds that those may take on a slow line. */
  secondsInFlight(): number {
    return this.#inFlight.secondsFor(this.unconfirmed());
  }

  readonly #ping = (): void => {
    if (!this.#stream.canPing()) return;
    this.#inFlight.pinged(this.#stream.written());
    this.#stream.ping();
    if (this.#pongTimer || this.#settings.pongTimeout === 0) return;
    this.#wasHeard = false;
    this.#waits = 0;
    this.#awaitPong();
  };

  #awaitPong(): void {
    this.#markAtPing = acceptedMark(this.#socket);
    this.#wasQueued = this.#socket.writableLength > 0;
    this.#pongTimer = setTimeout(this.#lookForPong, this.#settings.pongTimeout * 1000);
  }

  readonly #lookForPong = (): void => {
    afterPendingReads(() => {
      this.#pongTimer = undefined;
      if (this.#wasHeard || this.#stream.isDeaf()) return;
      // Where bytes are queued, the PING is queued after them: a slow line is alive as long as some are accepted now and then.
      const isQueued = this.#wasQueued || this.#socket.writableLength > 0;
      const moved = isQueued && acceptedMark(this.#socket) !== this.#markAtPing;
      this.#waits = moved ? 0 : this.#waits + 1;
      if (this.#waits < Math.max(isQueued ? MAX_STALLS : 1, this.#maxWaits())) this.#awaitPong();
      else this.#stream.silent();
    });
  };

  /** Bytes that the kernel has accepted may still be on their way. */
  #maxWaits(): number {
    const { pongTimeout } = this.#settings;
    const seconds = Math.min(this.#inFlight.secondsUntilPong(), MAX_SECONDS);
    return Math.floor(1 + Math.min(seconds / pongTimeout, MAX_WAITS));
  }

  readonly #noteQueue = (): void => {
    this.#wasQueued ||= this.#socket.writableLength > 0;
  };
}

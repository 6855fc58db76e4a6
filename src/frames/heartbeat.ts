import type { Duplex } from 'node:stream';
import { afterPendingReads } from '../streams/pending-reads.js';
import { acceptedMark } from '../streams/write-progress.js';
import { BytesInFlight } from './bytes-in-flight.js';
import { PAUSE, type ReadPauses } from '../streams/read-pauses.js';

/** Times in seconds. */
export interface HeartbeatSettings {
  readonly pingInterval: number;
  readonly pongTimeout: number;
  /** Called with the seconds from a PING to its PONG. */
  readonly noteRoundTrip?: (seconds: number) => void;
}

/** Sends PINGs. */
export interface PingWriter {
  /** `written`: bytes written so far. */
  readonly queue: { readonly written: number };
  /** Returns false inside a frame of another sender: `pingNow` of the heartbeat follows at the end of that frame. */
  ping(): boolean;
}

/** The watched connection. */
export interface HeartbeatConnection {
  readonly writer: PingWriter;
  readonly pauses: ReadPauses;
  readonly closing: { readonly isOpen: boolean };
  /** Called when the peer gave no sign of life for too long. */
  silent(): void;
}

/**
 * Limit of `pongTimeout` periods in which a peer accepts no queued bytes. The kernel reports accepted bytes in bursts: on a slow
 * line minutes apart.
 */
const MAX_STALLS = 6;

/** Limit of `pongTimeout` periods by which bytes in flight may delay a PONG, ... */
const MAX_WAITS = 45;

/** ... and the limit in seconds: as long as Linux retransmits bytes that a peer does not acknowledge (tcp_retries2). */
const MAX_SECONDS = 900;

/**
 * Liveness: a PING in every `pingInterval`, and then `pongTimeout` for a sign of life. Signs of life are all bytes read and, while
 * the PING is still queued, progress of the queue.
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
  readonly #connection: HeartbeatConnection;
  readonly #inFlight = new BytesInFlight();
  /** Bytes were read since the PING. */
  #wasHeard = false;
  #markAtPing = 0;
  /** When the measured PING was sent, by `performance.now()`; 0 if no PING is measured. */
  #pingedAt = 0;
  /** PONGs to earlier PINGs that come before the PONG to the measured PING. */
  #pongsBefore = 0;
  #roundTrip: number | undefined;
  /** Bytes were queued at some time since the last check for a PONG. */
  #wasQueued = false;
  /** The PING could not be sent inside a frame: without a queue, a silent peer owes no sign of life. */
  #isUnsent = false;
  /** `pongTimeout` periods in a row without a sign of life. */
  #waits = 0;
  #pingTimer: NodeJS.Timeout | undefined;
  /** Runs from a PING to the deadline of the PONG. */
  #pongTimer: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, settings: HeartbeatSettings, connection: HeartbeatConnection) {
    this.#socket = socket;
    this.#settings = settings;
    this.#connection = connection;
  }

  start(): void {
    const { pingInterval } = this.#settings;
    if (pingInterval > 0) this.#pingTimer = setInterval(Heartbeat.#onInterval, pingInterval * 1000, this);
  }

  stop(): void {
    clearInterval(this.#pingTimer);
    clearTimeout(this.#pongTimer);
  }

  /** Bytes of the peer were read, or may have arrived while reading was paused. */
  heard(): void {
    this.#wasHeard = true;
  }

  /** A PONG arrived. Returns false if the PONG answers no PING. */
  pong(): boolean {
    const isAnswer = this.#inFlight.confirm();
    if (isAnswer && this.#pingedAt > 0) this.#measure();
    return isAnswer;
  }

  /** Seconds from the last measured PING to its PONG. Measured only if `noteRoundTrip` is set. */
  get roundTrip(): number | undefined {
    return this.#roundTrip;
  }

  /** Bytes were written, and some of the bytes are queued. */
  queued(): void {
    // TLS reports an event-loop turn later that the kernel has accepted all bytes: a check now would make every line look slow.
    if (this.#pongTimer && !this.#wasQueued) setImmediate(() => this.#noteQueue());
  }

  /** Bytes that no PONG has confirmed. */
  unconfirmed(): number {
    return this.#inFlight.unconfirmed(this.#connection.writer.queue.written);
  }

  /** Seconds that the unconfirmed bytes may take on a slow line. */
  secondsInFlight(): number {
    return this.#inFlight.secondsFor(this.unconfirmed());
  }

  // Functions for all connections: closures for each connection would cost memory.
  static readonly #onInterval = (heartbeat: Heartbeat): void => heartbeat.pingNow();
  static readonly #onDeadline = (heartbeat: Heartbeat): void => heartbeat.#lookForPong();

  pingNow(): void {
    const { closing, writer } = this.#connection;
    if (!closing.isOpen || this.#socket.destroyed) return;
    const { written } = writer.queue;
    const isSent = writer.ping();
    if (isSent) {
      if (this.#settings.noteRoundTrip && this.#pingedAt === 0) {
        this.#pingedAt = performance.now();
        this.#pongsBefore = this.#inFlight.unanswered;
      }
      this.#inFlight.pinged(written);
    }
    if (this.#pongTimer || this.#settings.pongTimeout === 0) return;
    this.#isUnsent = !isSent;
    this.#wasHeard = false;
    this.#waits = 0;
    this.#awaitPong();
  }

  #measure(): void {
    if (this.#pongsBefore-- > 0) return;
    this.#roundTrip = (performance.now() - this.#pingedAt) / 1000;
    this.#settings.noteRoundTrip?.(this.#roundTrip);
    this.#pingedAt = 0;
  }

  #awaitPong(): void {
    this.#markAtPing = acceptedMark(this.#socket);
    this.#wasQueued = this.#socket.writableLength > 0;
    this.#pongTimer = setTimeout(Heartbeat.#onDeadline, this.#settings.pongTimeout * 1000, this);
  }

  #lookForPong(): void {
    if (this.#wasHeard) {
      this.#pongTimer = undefined;
      return;
    }
    afterPendingReads(() => {
      this.#pongTimer = undefined;
      if (this.#wasHeard || this.#isDeaf()) return;
      // With queued bytes, the PING is queued last: a slow line is alive as long as the kernel accepts some bytes now and then.
      const isQueued = this.#wasQueued || this.#socket.writableLength > 0;
      if (this.#isUnsent && !isQueued) return;
      const moved = isQueued && acceptedMark(this.#socket) !== this.#markAtPing;
      this.#waits = moved ? 0 : this.#waits + 1;
      if (this.#waits < Math.max(isQueued ? MAX_STALLS : 1, this.#maxWaits())) this.#awaitPong();
      else this.#connection.silent();
    });
  }

  /** May PONGs be missing because reading is paused, or because a Close was sent or received? */
  #isDeaf(): boolean {
    const { pauses, closing } = this.#connection;
    return pauses.has(PAUSE.receiver | PAUSE.turn) || !closing.isOpen;
  }

  /** Bytes that the kernel has accepted may still be in flight. */
  #maxWaits(): number {
    const { pongTimeout } = this.#settings;
    const seconds = Math.min(this.#inFlight.secondsUntilPong(), MAX_SECONDS);
    return Math.floor(1 + Math.min(seconds / pongTimeout, MAX_WAITS));
  }

  #noteQueue(): void {
    this.#wasQueued ||= this.#socket.writableLength > 0;
  }
}

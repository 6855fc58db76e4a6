import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { carrierOf } from './carrier.js';
import { CloseClock, SLOWEST } from './close-clock.js';
import { discard } from './discard.js';
import { Outlet } from './outlet.js';
import { PooledReads } from './pooled-reads.js';
import { ownsItsChunks, releaseAfter } from './release.js';
import { reset } from './reset.js';
import { Movement, queuedIn, Stall } from './write-progress.js';

const NOTHING = Buffer.alloc(0);

/** What the send and receive buffers of a connection hold at most, in bytes (Linux: tcp_wmem and tcp_rmem). */
const MOST_IN_KERNELS = 10 * 1024 * 1024;

/** What Node reads at once: where all of it was filled, the next read follows in the same turn. */
const FULL_READ = 65_536;

/** A kernel says that it accepts more when a third of what it holds is gone: on a slow line minutes later. */
const BURST = 1 / 3;

/** A reset drops what the kernel has not sent yet; a peer that reads has all of it by then. In ms after the last payload. */
const RESET_DELAY = 500;

/** By so many times `closeTimeout` such a burst may lengthen it. */
const MOST_BURST = 10;

/** The client's end, as the relay uses it. */
export interface ClientEnd<Cause> {
  /** False: stop until `drain`. `reads`: whose memory the bytes may lie in. */
  send(bytes: Buffer, mayRelease: boolean, reads?: PooledReads): boolean;
  pause(): void;
  resume(): void;
  /** Since the last look, the client has taken of what waits for it. */
  moves(): boolean;
  /** Since when it has accepted none of the bytes queued for it. */
  stalledSince(now: number): number | undefined;
  /** Bytes sent to it that were still queued when its connection was given up. */
  readonly abandoned: number;
  /** Where it asked `isDelivering`: the backend has accepted all payload. */
  delivered(): void;
  /** Or it never will. Gives how the client's connection ended, in the light of that. */
  undelivered(reason: string): Cause;
  /** Everything was sent. */
  finish(reason: string): void;
  close(code: number, reason: string): void;
}

export interface RelaySettings {
  /** Memory waiting for the backend above which the client is not read. */
  readonly buffered: number;
  /** Seconds that the backend has to finish once the client has. See {@link CloseClock}. */
  readonly closeTimeout: number;
  readonly drainTimeout?: number;
}

/**
 * Bytes both ways between a client and a backend, with backpressure and one teardown. It is the handler of the client's
 * stream (`payload`, `drain`, `closing`, `ended`, `closed`) and listens to the backend itself.
 *
 * A backend that ends: all it sent goes out before Close 1000. A client that closes: all it sent goes to the backend
 * before its end. Each within `closeTimeout`, which starts anew as long as bytes move. A backend that has not accepted all by
 * then is reset: an end would tell it that there was no more.
 */
export class Relay<Cause> {
  /** Since when the backend has been read and has sent nothing; undefined while it is not read. */
  silentSince: number | undefined = performance.now();
  #lastPayload = performance.now();
  #received = 0;
  #sent = 0;
  readonly #client: ClientEnd<Cause>;
  readonly #backend: Duplex;
  readonly #toBackend: Outlet;
  readonly #settings: RelaySettings;
  readonly #done: (cause: Cause) => void;
  // Another kind of Duplex may hold a chunk that it reports as read or written.
  readonly #mayRelease: boolean;
  readonly #reads: PooledReads | undefined;
  readonly #moved: Movement;
  readonly #stall: Stall;
  readonly #delivery: Movement;
  readonly #closeClock: CloseClock;
  #closing = false;
  /** The backend has sent something since the last look, while we wait for its end; counts until then. */
  #heard = false;
  #heardUntil = 0;
  /** The client has said its last, and the backend has not accepted all of it. */
  #delivering = false;
  #backendGone = false;
  #resetTimer: NodeJS.Timeout | undefined;
  #clientGone: { cause: Cause } | undefined;

  /** `done` is called once, when both sides are freed. */
  constructor(
    backend: Duplex,
    settings: RelaySettings,
    client: ClientEnd<Cause>,
    done: (cause: Cause) => void,
  ) {
    this.#backend = backend;
    this.#mayRelease = ownsItsChunks(backend);
    this.#reads = PooledReads.of(backend);
    this.#moved = new Movement(backend);
    this.#stall = new Stall(backend);
    this.#delivery = new Movement(backend);
    const movement = new Movement(backend);
    this.#closeClock = new CloseClock(
      settings,
      () => [movement.look(), this.#isHeard()].includes(true),
      (limit) => this.#onCloseTimeout(limit),
    );
    this.#toBackend = new Outlet(backend, settings.buffered, () => client.resume());
    this.#settings = settings;
    this.#client = client;
    this.#done = done;
  }

  /** Begins to read the backend. */
  start(): void {
    const backend = this.#backend;
    if (this.#reads) this.#reads.start(this.#onData, this.#settings.buffered / 2);
    else backend.on('data', this.#onData);
    backend.on('end', this.#onEnd);
    backend.on('error', this.#onError);
    backend.on('close', this.#onClose);
    if (backend.destroyed) {
      this.#onClose();
      return;
    }
    // One that does not destroy itself has told of its failure, to nobody.
    if (backend.errored) this.#onError();
    // TLS reads from its handshake on, and an app's own stream may have been read before: `end` has been told, to nobody.
    if (backend.readableEnded) this.#onEnd();
    this.#resume();
  }

  /** When payload last came or, to a slow peer, went, by `performance.now()`. */
  get lastPayload(): number {
    // Both are looked at each time.
    const moves = [this.#moved.look(), this.#client.moves()];
    if (moves.includes(true)) this.#lastPayload = performance.now();
    return this.#lastPayload;
  }

  /** Payload bytes from the client; once the backend was given up, only those that its side had accepted. */
  get bytesIn(): number {
    return Math.max(0, this.#received - this.#toBackend.abandoned);
  }

  /** Payload bytes from the backend; once the client was given up, only those that its side had accepted. */
  get bytesOut(): number {
    // PONGs are queued with the payload.
    return Math.max(0, this.#sent - this.#client.abandoned);
  }

  /** Since when the backend was seen to accept none of the bytes queued for it; undefined where none are. */
  stalledSince(now: number): number | undefined {
    return this.#stall.since(now);
  }

  /** The same of the client. */
  clientStalledSince(now: number): number | undefined {
    return this.#client.stalledSince(now);
  }

  payload(bytes: Buffer, chunk?: Buffer): void {
    this.#received += bytes.length;
    this.#lastPayload = performance.now();
    if (!this.#backend.writable) {
      // Not every stream says `close`.
      if (this.#backend.destroyed) setImmediate(this.#onClose);
      return;
    }
    try {
      const written = this.#mayRelease && chunk ? releaseAfter(chunk) : undefined;
      this.#toBackend.write(bytes, written, chunk?.length === FULL_READ);
    } catch (error) {
      // An app's own stream throws into our reading of the client.
      this.#fail(error as Error);
    }
    if (this.#toBackend.full()) this.#client.pause();
  }

  drain(): void {
    this.silentSince ??= performance.now();
    this.#resume();
  }

  closing(): void {
    this.#closing = true;
    // What it still sends can't be delivered behind a Close, but its end must be seen.
    this.#resume();
  }

  /** Does the backend still have to accept some of the payload? */
  isDelivering(): boolean {
    this.#toBackend.flush();
    return this.#backend.writable && this.#backend.writableLength > 0;
  }

  /** Has it accepted some since the last call? */
  delivers(): boolean {
    return this.#delivery.look();
  }

  /**
   * No more payload will come. Not `isWhole`: the client's end was lost on the way, so the backend is reset once its kernel has
   * accepted all that came; after an end it would take the beginning for the whole.
   */
  ended(isWhole = true): void {
    if (this.#backendGone) return;
    this.#heardUntil = performance.now() + (Math.min(this.#received, MOST_IN_KERNELS) / SLOWEST) * 1000;
    this.#closeClock.start(() => this.#untilBurst());
    if (!this.#backend.writable) return;
    this.#delivering = this.isDelivering();
    if (isWhole) this.#try(() => this.#backend.end(this.#onDelivered));
    else this.#try(() => this.#backend.write(NOTHING, this.#onBroken));
  }

  closed(cause: Cause): void {
    this.#clientGone = { cause };
    this.#settle();
  }

  /** Frees the backend at once. */
  destroy(): void {
    this.#toBackend.abandon();
    if (this.#backend.writableLength > 0) reset(this.#backend);
    else discard(this.#backend);
    // Not every stream says `close`.
    this.#onClose();
  }

  readonly #onDelivered = (error?: Error | null): void => {
    if (!this.#delivering) return;
    this.#delivering = false;
    if (error) this.#failDelivery('the backend failed before it had accepted what the client sent');
    else this.#client.delivered();
  };

  readonly #onBroken = (error?: Error | null): void => {
    this.#onDelivered(error);
    if (error || this.#backendGone) return;
    const delay = Math.max(0, this.#lastPayload + RESET_DELAY - performance.now());
    this.#resetTimer = setTimeout(() => reset(this.#backend), delay);
  };

  #onCloseTimeout(limit: string): void {
    // As long as it is there: what the client hears of it comes before the end.
    if (this.#delivering) {
      this.#delivering = false;
      this.#failDelivery(`the backend did not accept what the client sent within ${limit}`);
    }
    this.destroy();
  }

  /**
   * A backend that still sends is alive, and may still read what lies in the kernels between: to give it up now would reset the
   * connection, and lose those bytes. For as long as a slow line needs for them, and no longer: a backend may send without end.
   */
  #isHeard(): boolean {
    const heard = this.#heard;
    this.#heard = false;
    return heard && performance.now() < this.#heardUntil;
  }

  /** Seconds until the next bytes may be seen to move, where some are queued. */
  #untilBurst(): number {
    const queued = queuedIn(this.#backend);
    if (queued === 0 || !(this.#backend instanceof Socket)) return 0;
    const seconds = ((this.#received - queued) * BURST) / SLOWEST;
    return Math.min(seconds, MOST_BURST * this.#settings.closeTimeout);
  }

  #failDelivery(reason: string): void {
    const cause = this.#client.undelivered(reason);
    if (this.#clientGone) this.#clientGone = { cause };
  }

  #fail(error: Error): void {
    discard(this.#backend, error);
    setImmediate(this.#onClose);
  }

  /** An app's own stream may throw. */
  #try(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #resume(): void {
    this.#try(() => this.#backend.resume());
  }

  #pause(): void {
    this.#try(() => this.#backend.pause());
  }

  /** A stream that makes its bytes itself has no end of them: what is dropped must not keep the turn from others. */
  #yieldTurn(): void {
    this.#pause();
    setImmediate(() => this.#resume());
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#closing) {
      this.#heard = true;
      if (!this.#mayRelease) this.#yieldTurn();
      return;
    }
    this.#sent += chunk.length;
    this.#lastPayload = this.silentSince = performance.now();
    // Who else listens may keep the chunk.
    const mayRelease = this.#mayRelease && this.#backend.listenerCount('data') === 1;
    if (this.#client.send(chunk, mayRelease, this.#reads)) return;
    this.#pause();
    this.silentSince = undefined;
  };

  readonly #onEnd = (): void => {
    this.#reads?.flush();
    const backend = this.#backend;
    const finish = () => this.#client.finish('the backend ended');
    // A reset that finds unread bytes is told as an end (libuv takes the hang-up behind them for one). The kernel still
    // knows: even an empty write fails, and `error` or `close` follows. EPIPE is what an orderly end leaves behind. TLS would
    // keep an empty write to itself: its connection is asked.
    const carrier = carrierOf(backend);
    const isIdle = backend.writable && backend.writableLength === 0 && carrier.writable;
    if (!(carrier instanceof Socket) || !isIdle) finish();
    else
      carrier.write(NOTHING, (error?: NodeJS.ErrnoException | null) => {
        if (error?.code !== 'ECONNRESET') finish();
      });
  };

  readonly #onError = (): void => {
    this.#reads?.flush();
    this.#client.close(1011, 'the backend failed');
  };

  readonly #onClose = (): void => {
    if (this.#backendGone) return;
    this.#backendGone = true;
    this.#closeClock.stop();
    clearTimeout(this.#resetTimer);
    this.#onDelivered(new Error('closed'));
    const backend = this.#backend;
    backend.off('data', this.#onData);
    backend.off('end', this.#onEnd);
    backend.off('error', this.#onError);
    backend.off('close', this.#onClose);
    // An app's own stream may say `close` and live on.
    discard(backend);
    this.#reads?.end();
    // Does nothing where `end` or `error` came first.
    this.#client.close(1011, 'the backend failed');
    // A client paused for this backend would never be heard to close.
    this.#client.resume();
    this.#settle();
  };

  #settle(): void {
    if (!this.#backendGone || !this.#clientGone) return;
    this.#done(this.#clientGone.cause);
  }
}

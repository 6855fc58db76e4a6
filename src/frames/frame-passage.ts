import { randomFillSync } from 'node:crypto';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { carrierOf } from '../streams/carrier.js';
import { CLOSE, endingOf, LOSSES, ORDERLY, type Ending } from '../streams/close-causes.js';
import { CloseClock } from '../streams/close-clock.js';
import { PooledReads } from '../streams/pooled-reads.js';
import { PAUSE } from '../streams/read-pauses.js';
import { reset } from '../streams/reset.js';
import { closeFrame, controlFrame } from './encoder.js';
import { PING_SIZE, type Sender } from './frame-follower.js';
import { FrameWay, type WayOwner } from './frame-way.js';
import { Heartbeat, type HeartbeatConnection, type PingWriter } from './heartbeat.js';
import { OPCODE } from './opcodes.js';

/** Times in seconds, sizes in bytes. */
export interface PassageSettings {
  readonly pingInterval: number;
  readonly pongTimeout: number;
  readonly closeTimeout: number;
  readonly drainTimeout?: number;
  /** Memory queued per direction above which the source is not read. */
  readonly buffered: number;
}

export interface PassageOwner {
  /** The first Close was passed on or sent, or a connection is lost. */
  closing(): void;
  /** Called once, when both sides are freed. */
  done(ending: Ending): void;
}

/** The connection to a backend that speaks WebSocket, after the opening handshake. */
export interface FrameBackend {
  readonly socket: Duplex;
  /** The bytes after the backend's 101 response. */
  readonly head: Buffer;
  /** Extensions were negotiated: reserved bits may be set. */
  readonly hasExtensions: boolean;
}

/** Milliseconds before a reset, which drops bytes that the kernel has not sent yet: by then, a backend that reads has all bytes. */
const RESET_DELAY = 500;

/** The causes for which the backend gets Close 1000: the app ended the tunnel. With any other cause the backend gets 1001. */
const ENDED_BY_POLICY: readonly string[] = [
  'ended-by-app',
  'replaced',
  'login-ended',
  'user-changed',
  'login-unclear',
];

const NOTHING = Buffer.alloc(0);

const PASSAGE = Symbol('express-wstunnel.passage');

/** A socket with the passage that reads it. */
type PassedSocket = Duplex & { [PASSAGE]?: FramePassage | undefined };

/**
 * A tunnel whose backend speaks WebSocket: after both opening handshakes, all frames pass unchanged in both directions, including
 * PINGs, PONGs and the closing handshake. The tunnel inserts its own frames between two frames: PINGs to the client, whose PONGs are
 * removed, and Closes.
 *
 *     the client closes first        the backend closes first       the tunnel closes
 *
 *     --- Close --->                 <--- Close ---                 <--- Close ---  --- Close --->
 *     <--- Close ---                 --- Close --->                 --- Close --->  (removed)
 *     <--- FIN ---                   <--- FIN ---                   <--- FIN ---    --- FIN --->
 *
 *     A Close of the tunnel follows the rest of the current frame. Frames from the client are dropped (`cutOff`), or pass until
 *     the client's Close (`close`). If frames to the backend are cut off inside a frame, no Close can follow: the backend is reset.
 *     Everything ends within closeTimeout (see CloseClock); then both sockets are destroyed.
 */
export class FramePassage implements HeartbeatConnection, WayOwner, PingWriter {
  /** The start of the backend's silence while the backend is read; undefined while the backend is paused. */
  silentSince: number | undefined = performance.now();
  /** The time when payload last arrived or, to a slow peer, was accepted: by `performance.now()`, as seen at the last `sample`. */
  lastPayload = performance.now();
  readonly #client: PassedSocket;
  readonly #backend: PassedSocket;
  #head: Buffer;
  readonly #settings: PassageSettings;
  readonly #owner: PassageOwner;
  readonly #reads: PooledReads | undefined;
  /** From the client to the backend. */
  readonly #up: FrameWay;
  /** From the backend to the client. */
  readonly #down: FrameWay;
  readonly #heartbeat: Heartbeat;
  /** The payload of the tunnel's PINGs: other PINGs and PONGs are not this tunnel's. Created at the first PING. */
  #ping: Buffer | undefined;
  /** How the tunnel ended: the first Close or loss, unless missing bytes are found later. */
  #ending: Ending | undefined;
  #clock: CloseClock | undefined;
  /** Bytes arrived since the last sample that keep the closing alive. */
  #isAlive = false;
  /** The client's Close was passed to the backend, which has not answered with a Close yet. */
  #isAnswerDue = false;
  /** The Close for the client, until the end of the current frame. */
  #lastFrame: Buffer = NOTHING;
  /** The tunnel itself ends the connection to the backend, and does not wait for the backend's Close. */
  #endsBackend = false;
  /** The frames to the backend were cut off inside a frame. */
  #isTruncated = false;
  #isResetDue = false;
  #resetTimer: NodeJS.Timeout | undefined;
  #hasClientEnded = false;
  #hasBackendEnded = false;
  #isClientGone = false;
  #isBackendGone = false;

  constructor(client: Duplex, backend: FrameBackend, settings: PassageSettings, owner: PassageOwner) {
    const { socket, hasExtensions } = backend;
    const { buffered } = settings;
    this.#client = client;
    this.#backend = socket;
    this.#head = backend.head;
    this.#settings = settings;
    this.#owner = owner;
    this.#reads = PooledReads.of(socket);
    this.#up = new FrameWay('client', client, socket, { buffered, hasExtensions }, this);
    this.#down = new FrameWay('server', socket, client, { buffered, hasExtensions }, this);
    this.#heartbeat = new Heartbeat(client, settings, this);
  }

  /** Begins to read both sides; `head` is what the client sent after the opening handshake. */
  start(head: Buffer): void {
    const [client, backend] = [this.#client, this.#backend];
    const carrier = carrierOf(client);
    if (carrier instanceof Socket) {
      carrier.setTimeout(0);
      carrier.setNoDelay(true);
    }
    client[PASSAGE] = backend[PASSAGE] = this;
    client.on('end', onClientEnd).on('error', onClientError).on('close', onClientClose);
    backend.on('end', onBackendEnd).on('error', onBackendError).on('close', onBackendClose);
    this.#heartbeat.start();
    if (client.destroyed) this.onClientClose();
    else {
      if (head.length > 0) this.onClientData(head);
      client.on('data', onClientData);
      this.#up.pauses.apply();
    }
    if (this.#head.length > 0) this.onBackendData(this.#head);
    this.#head = NOTHING;
    if (this.#reads) {
      const most = this.#settings.buffered / 2;
      this.#reads.start((bytes) => this.onBackendData(bytes, this.#reads), most, this.#down.pauses);
    } else backend.on('data', onBackendData);
    if (backend.destroyed) this.onBackendClose();
    // TLS reads from the handshake on: `end` may have been emitted before a listener was added.
    else if (backend.readableEnded) this.onBackendEnd();
    else this.#down.pauses.apply();
  }

  /** False once a Close was passed on or sent, or a connection is lost. */
  get isOpen(): boolean {
    return this.#ending === undefined;
  }

  /** Payload bytes from the client. After the backend was given up: a lower bound of what the backend's side had accepted. */
  get bytesIn(): number {
    return Math.max(0, this.#up.payload - this.#up.queue.abandoned);
  }

  /** Payload bytes from the backend. After the client was given up: a lower bound of what the client's side had accepted. */
  get bytesOut(): number {
    return Math.max(0, this.#down.payload - this.#down.queue.abandoned);
  }

  /** Samples both queues, and updates `lastPayload`, `stalledSince` and `clientStalledSince`. */
  sample(now: number): void {
    const isMoving = this.#sampleQueues(now);
    // A backend is not silent while its bytes are unread.
    const isBackendReady = this.#down.pauses.has(PAUSE.turn);
    if (isBackendReady) this.silentSince &&= now;
    if (isMoving || isBackendReady || this.#up.pauses.has(PAUSE.turn)) this.lastPayload = now;
  }

  /** The time of the earliest sample after which the backend has accepted no queued bytes; undefined if no bytes are queued. */
  get stalledSince(): number | undefined {
    return this.#up.progress.stalledSince;
  }

  /** The same for the client. */
  get clientStalledSince(): number | undefined {
    return this.#down.progress.stalledSince;
  }

  /** Sends a Close to the client. The client's frames pass until the client's Close. */
  close(ending: Ending): void {
    if (this.#down.output !== 'open' || this.#client.destroyed) return;
    this.#begin(ending);
    this.#endDown(ending.code, ending.reason);
  }

  /** Sends a Close to both sides. From now on no byte of the client reaches the backend. */
  cutOff(ending: Ending): void {
    this.close(ending);
    this.#cutUp();
    this.#settle();
  }

  /** Frees both sockets at once. */
  destroy(ending: Ending): void {
    this.#begin(ending);
    this.#freeClient();
    this.#freeBackend();
  }

  /** Frees the client's socket at once. The backend gets a Close, or is reset inside a frame. */
  dropClient(ending: Ending): void {
    this.#begin(ending);
    this.#freeClient();
  }

  // The heartbeat of the client.

  get writer(): PingWriter {
    return this;
  }

  get queue(): { readonly written: number } {
    return this.#down.queue;
  }

  get pauses(): FrameWay['pauses'] {
    return this.#up.pauses;
  }

  get closing(): { readonly isOpen: boolean } {
    return this;
  }

  ping(): boolean {
    if (!this.#down.isAtBoundary) {
      this.#down.awaitBoundary();
      return false;
    }
    this.#ping ??= randomFillSync(Buffer.allocUnsafe(PING_SIZE));
    this.#down.put(controlFrame(OPCODE.ping, this.#ping));
    return true;
  }

  silent(): void {
    const reason = `the client was silent for ${this.#settings.pongTimeout} s after a PING`;
    this.dropClient(endingOf('client-silent', reason));
  }

  // The two ways.

  removesPong(from: Sender, payload: Buffer): boolean {
    if (from !== 'client' || !this.#ping?.equals(payload)) return false;
    if (this.#heartbeat.pong()) this.#isAlive = true;
    return true;
  }

  /** Removes the client's answer to a Close of the tunnel: the tunnel sends the backend a Close of its own. */
  removesClose(from: Sender): boolean {
    return from === 'client' && this.#down.output !== 'open' && !this.#down.follower.closed;
  }

  full(way: FrameWay): void {
    if (way === this.#down) this.silentSince = undefined;
    way.pause();
  }

  drained(way: FrameWay): void {
    // While paused we can see no PONG: give the client until the next PING.
    if (way === this.#up) this.#heartbeat.heard();
    else this.silentSince ??= performance.now();
    way.resume();
  }

  boundary(): void {
    if (this.#down.output !== 'ending') {
      this.#heartbeat.pingNow();
      return;
    }
    this.#down.output = 'over';
    this.#down.put(this.#lastFrame);
    this.#clock?.start();
    this.#settle();
  }

  onClientData(chunk: Buffer): void {
    const up = this.#up;
    const { payload } = up;
    const { isDone } = up.follower;
    this.#heartbeat.heard();
    // A client that was cut off gains no time by further bytes.
    if (up.output === 'open') this.#isAlive = true;
    up.pass(chunk);
    if (up.payload > payload) this.lastPayload = performance.now();
    if (!isDone && up.follower.isDone) this.#concludeUp();
  }

  onBackendData(bytes: Buffer, reads?: PooledReads): void {
    const down = this.#down;
    const { payload } = down;
    const { isDone } = down.follower;
    if (down.output === 'open') this.#isAlive = true;
    const now = (this.silentSince = performance.now());
    down.pass(bytes, reads);
    if (down.payload > payload) this.lastPayload = now;
    if (!isDone && down.follower.isDone) this.#concludeDown();
  }

  /** The client's last frame. Reading continues: unread bytes would turn our Close into a reset. */
  #concludeUp(): void {
    const { failure, closed } = this.#up.follower;
    if (failure) this.cutOff(failure);
    if (!closed) return;
    const isRemoved = this.removesClose('client');
    this.#noteClose(endingOf('client-closed', closed.reason, closed.code));
    if (isRemoved) this.#cutUp();
    else if (this.#up.output === 'open') {
      this.#up.output = 'over';
      this.#isAnswerDue = this.#down.output === 'open';
    }
    this.#settle();
  }

  #concludeDown(): void {
    const { failure, closed } = this.#down.follower;
    if (failure) this.#failBackend(`the backend broke RFC 6455: ${failure.reason}`);
    if (!closed) return;
    // On a slow line the Close arrives after all earlier bytes. Only an orderly end promises that these bytes arrive.
    const patience = ORDERLY.includes(closed.code) ? this.#heartbeat.secondsInFlight() : 0;
    this.#noteClose(endingOf('backend-closed', closed.reason, closed.code), patience);
    this.#isAnswerDue = false;
    if (this.#down.output === 'open') this.#down.output = 'over';
    this.#settle();
  }

  #noteClose(ending: Ending, patience = 0): void {
    // The answer to a Close says that not all earlier bytes were delivered.
    if (this.#ending && LOSSES.includes(ending.code) && ORDERLY.includes(this.#ending.code))
      this.#ending = ending;
    this.#begin(ending, patience);
  }

  #begin(ending: Ending, patience = 0): void {
    if (this.#ending) return;
    this.#ending = ending;
    this.#clock = new CloseClock(
      this.#settings,
      () => this.#sampleClosing(),
      (limit) => this.#onTimeout(limit),
    );
    this.#clock.start(patience > 0 ? () => patience : undefined);
    this.#owner.closing();
  }

  /** Sends a Close to the client, after the rest of the current frame. */
  #endDown(code: number, reason: string): void {
    const down = this.#down;
    this.#lastFrame = closeFrame(code, reason);
    if (down.isAtBoundary) {
      down.output = 'over';
      down.put(this.#lastFrame);
    } else {
      down.output = 'ending';
      down.awaitBoundary();
    }
  }

  /** From now on no byte of the client reaches the backend. The backend gets a Close if possible. */
  #cutUp(): void {
    const up = this.#up;
    if (up.output !== 'open') return;
    up.output = 'over';
    this.#endsBackend = true;
    // The client's Close must be seen.
    up.resume();
    if (up.isAtBoundary) up.put(closeFrame(this.#codeForBackend(), '', true));
    else this.#isTruncated = true;
  }

  #codeForBackend(): number {
    const { closed, failure } = this.#down.follower;
    if (closed) return closed.code;
    if (failure) return CLOSE.protocolError;
    return ENDED_BY_POLICY.includes(this.#ending?.cause ?? '') ? CLOSE.normal : CLOSE.goingAway;
  }

  /** The backend will send no Close of its own. */
  #failBackend(reason: string): void {
    const down = this.#down;
    // After a Close an end is expected.
    if (down.follower.closed) return;
    if (this.#isAnswerDue) this.#ending = endingOf('undelivered', reason);
    this.#isAnswerDue = false;
    this.#begin(endingOf('backend-failed', reason));
    if (down.output === 'open' && down.isAtBoundary) this.#endDown(CLOSE.internalError, reason);
    else if (down.output !== 'over') {
      // A Close would become a part of the frame.
      down.output = 'over';
      if (this.#ending) this.#ending = { ...this.#ending, code: CLOSE.abnormal };
      if (this.#client.writable) this.#client.end();
    }
    this.#cutUp();
    this.#settle();
  }

  /** The client will send no Close of its own. */
  #loseClient(ending: Ending): void {
    this.#hasClientEnded = true;
    if (!this.#up.follower.closed) {
      this.#begin(ending);
      this.#down.output = 'over';
      this.#cutUp();
    }
    this.#settle();
  }

  /** Ends the sockets whose last frames have passed. */
  #settle(): void {
    const [up, down, backend] = [this.#up, this.#down, this.#backend];
    if (down.output === 'over') {
      // After a Close, frames of the backend can't be delivered, but the end of the backend must be seen.
      down.resume();
      if ((up.follower.isDone || this.#hasClientEnded) && this.#client.writable) this.#client.end();
    }
    if (up.output !== 'over' || down.output === 'ending') return;
    const mayEnd = this.#endsBackend || this.#hasBackendEnded || this.#hasClientEnded;
    if (this.#isTruncated) this.#resetBackend();
    else if (mayEnd && (this.#endsBackend || down.output === 'over') && backend.writable) backend.end();
  }

  /** Resets the backend after the frames that were passed as a whole. */
  #resetBackend(): void {
    if (this.#isResetDue) return;
    this.#isResetDue = true;
    const backend = this.#backend;
    if (!backend.writable) {
      this.#freeBackend();
      return;
    }
    backend.write(NOTHING, (error) => {
      if (error || this.#isBackendGone) return;
      const delay = Math.max(0, this.lastPayload + RESET_DELAY - performance.now());
      this.#resetTimer = setTimeout(() => reset(backend), delay);
    });
  }

  #sampleQueues(now: number): boolean {
    const toBackend = this.#up.progress.sample(now);
    const toClient = this.#down.progress.sample(now);
    return toBackend || toClient;
  }

  #sampleClosing(): boolean {
    const isAlive = this.#sampleQueues(performance.now()) || this.#isAlive;
    this.#isAlive = false;
    // The rest of a frame does not prolong the closing, since the backend chooses the length of a frame.
    return isAlive && this.#down.output !== 'ending';
  }

  #onTimeout(limit: string): void {
    if (this.#isAnswerDue && !this.#isClientGone && this.#down.output === 'open') {
      // The client learns of the failure before the connection ends.
      this.#freeBackend(`the backend did not answer the Close within ${limit}`);
      this.#clock?.start();
      return;
    }
    const loss = this.#isClientGone ? undefined : this.#lossAt(limit);
    if (loss !== undefined) this.#ending = endingOf('close-timeout', loss);
    this.#freeClient();
    this.#freeBackend(`the backend did not answer the Close within ${limit}`);
  }

  /** The reason if bytes have not arrived at the deadline: such an end is not orderly, whatever the code of the Close. */
  #lossAt(limit: string): string | undefined {
    if (this.#client.writableLength > 0) return `the client did not accept what was sent within ${limit}`;
    if (this.#down.output === 'ending') return `the frame before the Close did not end within ${limit}`;
    return this.#isUnanswered() ? `the client did not answer the Close within ${limit}` : undefined;
  }

  /** A Close had the code of an orderly end, but the client has not confirmed the bytes before that Close. */
  #isUnanswered(): boolean {
    return (
      this.#down.output === 'over' &&
      !this.#up.follower.closed &&
      // While paused, the answer may have arrived unread.
      !this.#up.pauses.has(PAUSE.receiver) &&
      ORDERLY.includes(this.#ending?.code ?? CLOSE.abnormal) &&
      this.#down.payload > 0 &&
      this.#heartbeat.unconfirmed() > 0
    );
  }

  #freeClient(): void {
    this.#down.queue.abandon();
    this.#client.destroy();
  }

  #freeBackend(reason?: string): void {
    const backend = this.#backend;
    this.#up.queue.abandon();
    if (backend.writableLength > 0) reset(backend);
    else backend.destroy();
    this.onBackendClose(reason);
  }

  onClientEnd(): void {
    this.#loseClient(endingOf('client-ended', 'the client ended without a Close'));
  }

  onClientError(error: Error): void {
    const lost = endingOf('client-lost', `the client's connection failed: ${error.message}`);
    // The bytes in flight are lost.
    if (this.#isUnanswered()) this.#ending = lost;
    this.#begin(lost);
    this.#freeClient();
  }

  onClientClose(): void {
    if (this.#isClientGone) return;
    this.#isClientGone = true;
    const client = this.#client;
    client.off('data', onClientData).off('end', onClientEnd);
    client.off('error', onClientError).off('close', onClientClose);
    client[PASSAGE] = undefined;
    this.#heartbeat.stop();
    this.#down.output = 'over';
    this.#loseClient(endingOf('client-lost', "the client's connection was lost"));
    this.#finish();
  }

  onBackendEnd(): void {
    this.#reads?.flush();
    this.#hasBackendEnded = true;
    this.#failBackend('the backend ended without a Close');
    this.#settle();
  }

  onBackendError(): void {
    this.#reads?.flush();
    this.#failBackend('the backend failed');
  }

  onBackendClose(reason = 'the backend failed'): void {
    if (this.#isBackendGone) return;
    this.#isBackendGone = true;
    clearTimeout(this.#resetTimer);
    const backend = this.#backend;
    backend.off('data', onBackendData).off('end', onBackendEnd);
    backend.off('error', onBackendError).off('close', onBackendClose);
    backend[PASSAGE] = undefined;
    this.#reads?.end();
    this.#failBackend(reason);
    // The Close of a client that is paused for this backend would never be read.
    this.#up.resume();
    this.#finish();
  }

  #finish(): void {
    if (!this.#isClientGone || !this.#isBackendGone) return;
    this.#clock?.stop();
    this.#owner.done(this.#ending ?? endingOf('client-lost', ''));
  }
}

// Listeners for all sockets: closures for each socket would cost memory.
function onClientData(this: PassedSocket, chunk: Buffer): void {
  this[PASSAGE]?.onClientData(chunk);
}

function onClientEnd(this: PassedSocket): void {
  this[PASSAGE]?.onClientEnd();
}

function onClientError(this: PassedSocket, error: Error): void {
  this[PASSAGE]?.onClientError(error);
}

function onClientClose(this: PassedSocket): void {
  this[PASSAGE]?.onClientClose();
}

function onBackendData(this: PassedSocket, chunk: Buffer): void {
  this[PASSAGE]?.onBackendData(chunk);
}

function onBackendEnd(this: PassedSocket): void {
  this[PASSAGE]?.onBackendEnd();
}

function onBackendError(this: PassedSocket): void {
  this[PASSAGE]?.onBackendError();
}

function onBackendClose(this: PassedSocket): void {
  this[PASSAGE]?.onBackendClose();
}

import { randomFillSync } from 'node:crypto';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { carrierOf } from '../streams/carrier.js';
import { endingOf, type Ending } from '../streams/close-causes.js';
import { PooledReads } from '../streams/pooled-reads.js';
import { PAUSE } from '../streams/read-pauses.js';
import { reset } from '../streams/reset.js';
import { controlFrame } from './encoder.js';
import { PING_SIZE, type Sender } from './frame-follower.js';
import { FrameWay, type WayOwner } from './frame-way.js';
import { Heartbeat, type HeartbeatConnection, type PingWriter } from './heartbeat.js';
import { OPCODE } from './opcodes.js';
import { PassageClosing, type ClosingPassage } from './passage-closing.js';

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
export class FramePassage implements HeartbeatConnection, WayOwner, PingWriter, ClosingPassage {
  /** The start of the backend's silence while the backend is read; undefined while the backend is paused. */
  silentSince: number | undefined = performance.now();
  /** The time when payload last arrived or, to a slow peer, was accepted: by `performance.now()`, as seen at the last `sample`. */
  lastPayload = performance.now();
  readonly client: PassedSocket;
  readonly backend: PassedSocket;
  #head: Buffer;
  readonly #settings: PassageSettings;
  readonly #owner: PassageOwner;
  readonly #reads: PooledReads | undefined;
  readonly up: FrameWay;
  readonly down: FrameWay;
  readonly heartbeat: Heartbeat;
  readonly #closing: PassageClosing;
  /** The payload of the tunnel's PINGs: other PINGs and PONGs are not this tunnel's. Created at the first PING. */
  #ping: Buffer | undefined;

  constructor(client: Duplex, backend: FrameBackend, settings: PassageSettings, owner: PassageOwner) {
    const { socket, hasExtensions } = backend;
    const { buffered } = settings;
    this.client = client;
    this.backend = socket;
    this.#head = backend.head;
    this.#settings = settings;
    this.#owner = owner;
    this.#reads = PooledReads.of(socket);
    this.up = new FrameWay('client', client, socket, { buffered, hasExtensions }, this);
    this.down = new FrameWay('server', socket, client, { buffered, hasExtensions }, this);
    this.heartbeat = new Heartbeat(client, settings, this);
    this.#closing = new PassageClosing(this, settings);
  }

  /** Begins to read both sides; `head` is what the client sent after the opening handshake. */
  start(head: Buffer): void {
    const [client, backend] = [this.client, this.backend];
    const carrier = carrierOf(client);
    if (carrier instanceof Socket) {
      carrier.setTimeout(0);
      carrier.setNoDelay(true);
    }
    client[PASSAGE] = backend[PASSAGE] = this;
    client.on('end', onClientEnd).on('error', onClientError).on('close', onClientClose);
    backend.on('end', onBackendEnd).on('error', onBackendError).on('close', onBackendClose);
    this.heartbeat.start();
    if (client.destroyed) this.onClientClose();
    else {
      if (head.length > 0) this.onClientData(head);
      client.on('data', onClientData);
      this.up.pauses.apply();
    }
    if (this.#head.length > 0) this.onBackendData(this.#head);
    this.#head = NOTHING;
    if (this.#reads) {
      const most = this.#settings.buffered / 2;
      this.#reads.start((bytes) => this.onBackendData(bytes, this.#reads), most, this.down.pauses);
    } else backend.on('data', onBackendData);
    if (backend.destroyed) this.onBackendClose();
    // TLS reads from the handshake on: `end` may have been emitted before a listener was added.
    else if (backend.readableEnded) this.onBackendEnd();
    else this.down.pauses.apply();
  }

  /** False once a Close was passed on or sent, or a connection is lost. */
  get isOpen(): boolean {
    return this.#closing.ending === undefined;
  }

  /** Payload bytes from the client. After the backend was given up: a lower bound of what the backend's side had accepted. */
  get bytesIn(): number {
    return Math.max(0, this.up.payload - this.up.queue.abandoned);
  }

  /** Payload bytes from the backend. After the client was given up: a lower bound of what the client's side had accepted. */
  get bytesOut(): number {
    return Math.max(0, this.down.payload - this.down.queue.abandoned);
  }

  /** Bytes in the memory of this process that the backend's connection has not accepted. */
  get queuedToBackend(): number {
    return this.backend.writableLength;
  }

  get queuedToClient(): number {
    return this.client.writableLength;
  }

  get roundTrip(): number | undefined {
    return this.heartbeat.roundTrip;
  }

  /** Samples both queues, and updates `lastPayload`, `stalledSince` and `clientStalledSince`. */
  sample(now: number): void {
    const isMoving = this.sampleQueues(now);
    // A backend is not silent while its bytes are unread.
    const isBackendReady = this.down.pauses.has(PAUSE.turn);
    if (isBackendReady) this.silentSince &&= now;
    if (isMoving || isBackendReady || this.up.pauses.has(PAUSE.turn)) this.lastPayload = now;
  }

  /** The time of the earliest sample after which the backend has accepted no queued bytes; undefined if no bytes are queued. */
  get stalledSince(): number | undefined {
    return this.up.progress.stalledSince;
  }

  /** The same for the client. */
  get clientStalledSince(): number | undefined {
    return this.down.progress.stalledSince;
  }

  /** Sends a Close to the client. The client's frames pass until the client's Close. */
  close(ending: Ending): void {
    this.#closing.close(ending);
  }

  /** Sends a Close to both sides. From now on no byte of the client reaches the backend. */
  cutOff(ending: Ending): void {
    this.#closing.cutOff(ending);
  }

  /** Frees both sockets at once. */
  destroy(ending: Ending): void {
    this.dropClient(ending);
    this.freeBackend();
  }

  /** Frees the client's socket at once. The backend gets a Close, or is reset inside a frame. */
  dropClient(ending: Ending): void {
    this.#closing.begin(ending);
    this.freeClient();
  }

  // The heartbeat of the client.

  get writer(): PingWriter {
    return this;
  }

  get queue(): { readonly written: number } {
    return this.down.queue;
  }

  get pauses(): FrameWay['pauses'] {
    return this.up.pauses;
  }

  get closing(): { readonly isOpen: boolean } {
    return this;
  }

  ping(): boolean {
    if (!this.down.isAtBoundary) {
      this.down.awaitBoundary();
      return false;
    }
    this.#ping ??= randomFillSync(Buffer.allocUnsafe(PING_SIZE));
    this.down.put(controlFrame(OPCODE.ping, this.#ping));
    return true;
  }

  silent(): void {
    const reason = `the client was silent for ${this.#settings.pongTimeout} s after a PING`;
    this.dropClient(endingOf('client-silent', reason));
  }

  // The two ways.

  removesPong(from: Sender, payload: Buffer): boolean {
    if (from !== 'client' || !this.#ping?.equals(payload)) return false;
    if (this.heartbeat.pong()) this.#closing.noteBytes();
    return true;
  }

  /** Removes the client's answer to a Close of the tunnel: the tunnel sends the backend a Close of its own. */
  removesClose(from: Sender): boolean {
    return from === 'client' && this.#closing.isAnswered;
  }

  full(way: FrameWay): void {
    if (way === this.down) this.silentSince = undefined;
    way.pause();
  }

  drained(way: FrameWay): void {
    // While paused we can see no PONG: give the client until the next PING.
    if (way === this.up) this.heartbeat.heard();
    else this.silentSince ??= performance.now();
    way.resume();
  }

  boundary(): void {
    if (!this.#closing.sendLastFrame()) this.heartbeat.pingNow();
  }

  onClientData(chunk: Buffer): void {
    const up = this.up;
    const { payload } = up;
    const { isDone } = up.follower;
    this.heartbeat.heard();
    // A client that was cut off gains no time by further bytes.
    if (up.output === 'open') this.#closing.noteBytes();
    up.pass(chunk);
    if (up.payload > payload) this.lastPayload = performance.now();
    if (!isDone && up.follower.isDone) this.#closing.clientConcluded();
  }

  onBackendData(bytes: Buffer, reads?: PooledReads): void {
    const down = this.down;
    const { payload } = down;
    const { isDone } = down.follower;
    if (down.output === 'open') this.#closing.noteBytes();
    const now = (this.silentSince = performance.now());
    down.pass(bytes, reads);
    if (down.payload > payload) this.lastPayload = now;
    if (!isDone && down.follower.isDone) this.#closing.backendConcluded();
  }

  closingBegan(): void {
    this.#owner.closing();
  }

  sampleQueues(now: number): boolean {
    const toBackend = this.up.progress.sample(now);
    const toClient = this.down.progress.sample(now);
    return toBackend || toClient;
  }

  freeClient(): void {
    this.down.queue.abandon();
    this.client.destroy();
  }

  freeBackend(reason?: string): void {
    const backend = this.backend;
    this.up.queue.abandon();
    if (backend.writableLength > 0) reset(backend);
    else backend.destroy();
    this.onBackendClose(reason);
  }

  onClientEnd(): void {
    this.#closing.loseClient(endingOf('client-ended', 'the client ended without a Close'));
  }

  onClientError(error: Error): void {
    this.#closing.failClient(endingOf('client-lost', `the client's connection failed: ${error.message}`));
  }

  onClientClose(): void {
    if (this.#closing.isClientGone) return;
    this.#closing.isClientGone = true;
    const client = this.client;
    client.off('data', onClientData).off('end', onClientEnd);
    client.off('error', onClientError).off('close', onClientClose);
    client[PASSAGE] = undefined;
    this.heartbeat.stop();
    this.down.output = 'over';
    this.#closing.loseClient(endingOf('client-lost', "the client's connection was lost"));
    this.#finish();
  }

  onBackendEnd(): void {
    this.#reads?.flush();
    this.#closing.endBackend();
  }

  onBackendError(): void {
    this.#reads?.flush();
    this.#closing.failBackend('the backend failed');
  }

  onBackendClose(reason = 'the backend failed'): void {
    if (this.#closing.isBackendGone) return;
    this.#closing.isBackendGone = true;
    this.#closing.stopReset();
    const backend = this.backend;
    backend.off('data', onBackendData).off('end', onBackendEnd);
    backend.off('error', onBackendError).off('close', onBackendClose);
    backend[PASSAGE] = undefined;
    this.#reads?.end();
    this.#closing.failBackend(reason);
    // The Close of a client that is paused for this backend would never be read.
    this.up.resume();
    this.#finish();
  }

  #finish(): void {
    const closing = this.#closing;
    if (!closing.isClientGone || !closing.isBackendGone) return;
    closing.stopClock();
    this.#owner.done(closing.ending ?? endingOf('client-lost', ''));
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

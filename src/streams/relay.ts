import type { Duplex } from 'node:stream';
import { BackendClosed } from './backend-closed.js';
import { BackendFinish } from './backend-finish.js';
import { endingOf, type Ending } from './close-causes.js';
import { FilterSeat } from './filter-seat.js';
import type { FilteredTunnel, PayloadFilter } from './payload-filter.js';
import { PooledReads } from './pooled-reads.js';
import { PAUSE, ReadPauses } from './read-pauses.js';
import { isNodeSocket, releaseAfter } from './release.js';
import { ifEndIsOrderly, reset } from './reset.js';
import type { Tap } from './tap.js';
import { WriteProgress } from './write-progress.js';
import { WriteQueue, type QueueOwner } from './write-queue.js';

/** Bytes that Node reads at once, and bytes of a full TLS record: in both cases more bytes follow in the same event-loop turn. */
const FULL_READS: readonly (number | undefined)[] = [65_536, 16_384];

/** The client's end, in the view of the relay. */
export interface ClientEnd {
  /** Returns false to stop the caller until `drain`. `reads`: the reads whose memory may contain the bytes. */
  send(bytes: Buffer, mayRelease: boolean, reads?: PooledReads): boolean;
  pause(): void;
  resume(): void;
  /** Compares the client's queue with the previous sample. True: the client has accepted queued bytes in between. */
  sample(now: number): boolean;
  /** The time of the earliest sample after which the client has accepted no queued bytes. */
  readonly stalledSince: number | undefined;
  /** Is the client's connection queued for an event-loop turn? Its bytes may be unread meanwhile. */
  readonly awaitsTurn: boolean;
  /** Bytes sent to the client that were still queued when the client's connection was given up. */
  readonly abandoned: number;
  /** After `isDelivering` was true: the backend has accepted all payload. */
  confirmDelivery(): void;
  /** The counterpart: the backend will never accept all payload. Returns how the client's connection ended in this case. */
  failDelivery(reason: string): Ending;
  /** All bytes of the backend were sent. */
  finish(reason: string): void;
  close(ending: Ending): void;
  /** Closes, and drops further payload of the client. Only for a relay with a filter. */
  cutOff?(ending: Ending): void;
}

/** The owner of a relay. */
export interface RelayOwner {
  /** Called once, when both sides are freed. */
  done(ending: Ending): void;
  /** Called once, before the first payload byte of the backend is sent to the client. */
  firstByte?(): void;
}

export interface RelaySettings {
  /** Bytes of memory queued for the backend above which the client is not read. */
  readonly buffered: number;
  /** Seconds that the backend has to finish after the end of the client. See {@link CloseClock}. */
  readonly closeTimeout: number;
  readonly drainTimeout?: number;
  /** Undefined unless the tunnel is recorded. */
  readonly tap?: Tap | undefined;
  /** Undefined unless some bytes must not pass. */
  readonly filter?: PayloadFilter | undefined;
}

const RELAY = Symbol('express-wstunnel.relay');

/** A backend with the relay that reads it. */
type RelayedStream = Duplex & { [RELAY]?: Relay | undefined };

/**
 * Moves bytes in both directions between a client and a backend, with backpressure and one teardown. The relay is the handler of
 * the client's stream, and listens to the backend directly. The backend is a socket of Node's or a {@link tame} stream.
 *
 *     the client's stream              relay                      the backend
 *     payload(), full: client.pause()  --->  write queue  --->  write, drained: client.resume()
 *     send(), false: backend.pause()   <---               <---  'data'
 *     drain()                          --->  backend.resume()
 *
 *     a backend that ends              finish(): Close 1000 after all its bytes  <---  'end'
 *     a backend that fails             close(): Close 1011                       <---  'error', 'close'
 *     a client that closes             closing(), ended()  --->  end() after all its bytes, within closeTimeout
 *
 *     both are freed: closed() and 'close'  --->  done()
 *
 * Each deadline starts again as long as bytes move. A backend that has not accepted all bytes at the deadline is reset: after an
 * orderly end the backend would assume that the bytes are complete.
 */
export class Relay implements QueueOwner, FilteredTunnel {
  /** The start of the backend's silence while the backend is read; undefined while the backend is paused. */
  silentSince: number | undefined = performance.now();
  /** The time when payload last arrived or, to a slow peer, was accepted: by `performance.now()`, as seen at the last `sample`. */
  lastPayload = performance.now();
  /** Bytes of payload, from the client and from the backend. */
  #received = 0;
  #sent = 0;
  readonly #client: ClientEnd;
  readonly #backend: RelayedStream;
  readonly #toBackend: WriteQueue;
  readonly #settings: RelaySettings;
  readonly #owner: RelayOwner;
  readonly #tap: Tap | undefined;
  /** Undefined without a filter, and after the filter has become open in both directions. */
  #filter: FilterSeat | undefined;
  /** Bytes of the backend were sent to the client. */
  #isHeard = false;
  /** No other code keeps a chunk that the backend reports as read or written. */
  readonly #ownsChunks: boolean;
  readonly #reads: PooledReads | undefined;
  readonly #pauses: ReadPauses;
  readonly #progress: WriteProgress;
  /** Blocks payload to the client: a Close was sent to or received from the client. Further bytes of the backend are dropped. */
  #isClosing = false;
  /** Set after the client's last byte. */
  #finish: BackendFinish | undefined;
  /** The backend is freed. */
  #isBackendGone = false;
  /** The client is freed. */
  #clientEnding: Ending | undefined;

  constructor(backend: Duplex, settings: RelaySettings, client: ClientEnd, owner: RelayOwner) {
    this.#backend = backend;
    this.#ownsChunks = isNodeSocket(backend);
    this.#reads = PooledReads.of(backend);
    this.#pauses = new ReadPauses(backend);
    this.#progress = new WriteProgress(backend);
    this.#toBackend = new WriteQueue(backend, settings.buffered, this);
    this.#settings = settings;
    this.#tap = settings.tap;
    this.#filter = settings.filter && new FilterSeat(settings.filter, this);
    this.#client = client;
    this.#owner = owner;
  }

  /** Begins to read the backend. */
  start(): void {
    const backend = this.#backend;
    this.#filter?.start();
    backend[RELAY] = this;
    if (this.#reads)
      this.#reads.start((bytes) => this.onData(bytes), this.#settings.buffered / 2, this.#pauses);
    else backend.on('data', onData);
    backend.on('end', onEnd);
    backend.on('error', onError);
    backend.on('close', onClose);
    if (backend.destroyed) {
      this.onClose();
      return;
    }
    // TLS reads from the handshake on: `end` may have been emitted before a listener was added.
    if (backend.readableEnded) this.onEnd();
    backend.resume();
  }

  /** Samples both queues, and updates `lastPayload`, `stalledSince` and `clientStalledSince`. */
  sample(now: number): void {
    const toBackend = this.#progress.sample(now);
    const toClient = this.#client.sample(now);
    // A backend is not silent while its bytes are unread.
    const isBackendReady = this.#pauses.has(PAUSE.turn);
    if (isBackendReady) this.silentSince &&= now;
    if (toBackend || toClient || isBackendReady || this.#client.awaitsTurn) this.lastPayload = now;
  }

  /** The time of the earliest sample after which the backend has accepted no queued bytes; undefined if no bytes are queued. */
  get stalledSince(): number | undefined {
    return this.#progress.stalledSince;
  }

  /** The time of the earliest sample after which the client has accepted no queued bytes; undefined if no bytes are queued. */
  get clientStalledSince(): number | undefined {
    return this.#client.stalledSince;
  }

  /** Payload bytes from the client. After the backend was given up: only the bytes that the backend's side had accepted. */
  get bytesIn(): number {
    return Math.max(0, this.#received - this.#toBackend.abandoned);
  }

  /** Payload bytes from the backend. After the client was given up: only the bytes that the client's side had accepted. */
  get bytesOut(): number {
    // PONGs are queued with the payload.
    return Math.max(0, this.#sent - this.#client.abandoned);
  }

  payload(bytes: Buffer, chunk?: Buffer, more = FULL_READS.includes(chunk?.length)): void {
    this.#received += bytes.length;
    this.lastPayload = performance.now();
    if (!this.#backend.writable) return;
    const passed = this.#filter ? this.#filtered(this.#filter, 'in', bytes) : bytes;
    if (passed.length === 0 || this.#tap?.in(passed) === false) return;
    const written = this.#ownsChunks && chunk ? releaseAfter(chunk) : undefined;
    this.#toBackend.write(passed, written, more);
    if (!this.#toBackend.isFull) return;
    this.#toBackend.awaitDrain();
    this.#client.pause();
  }

  /** The backend has accepted all queued bytes. */
  drained(): void {
    this.#client.resume();
  }

  /** The client accepts more bytes again. */
  drain(): void {
    this.silentSince ??= performance.now();
    this.#pauses.remove(PAUSE.receiver);
  }

  closing(): void {
    this.#isClosing = true;
    // After a Close, bytes of the backend can't be delivered, but the end of the backend must be seen.
    this.#pauses.remove(PAUSE.receiver);
  }

  /** Writes the gathered payload: only after that, `isDelivering` reports the bytes that the kernel has not accepted. */
  flush(): void {
    this.#toBackend.flush();
  }

  /** Is payload left that the backend has not accepted? */
  isDelivering(): boolean {
    return this.#backend.writable && this.#backend.writableLength > 0;
  }

  /** Has the backend accepted queued bytes since the previous sample? */
  sampleDelivery(now: number): boolean {
    return this.#progress.sample(now);
  }

  /** No more payload will come. `isWhole` is false if the end of the client's data was lost. See {@link BackendFinish}. */
  ended(isWhole = true): void {
    if (this.#isBackendGone) return;
    this.flush();
    // Bytes that a filter has dropped give a backend no time.
    const { written } = this.#toBackend;
    this.#finish = new BackendFinish(this.#backend, this.#settings, written, {
      confirmDelivery: () => this.#client.confirmDelivery(),
      failDelivery: (reason) => {
        const ending = this.#client.failDelivery(reason);
        if (this.#clientEnding) this.#clientEnding = ending;
      },
      expired: () => this.destroy(),
    });
    this.#finish.start(isWhole, this.isDelivering(), this.lastPayload);
  }

  closed(ending: Ending): void {
    this.#clientEnding = ending;
    this.#settle();
  }

  /** Frees the backend at once. */
  destroy(): void {
    this.#toBackend.abandon();
    if (this.#backend.writableLength > 0) reset(this.#backend);
    else this.#backend.destroy();
    this.onClose();
  }

  onData(chunk: Buffer): void {
    if (this.#isClosing) {
      this.#finish?.heard();
      return;
    }
    this.lastPayload = this.silentSince = performance.now();
    const passed = this.#filter ? this.#filtered(this.#filter, 'out', chunk) : chunk;
    let isAccepted = true;
    if (passed.length > 0 && this.#tap?.out(passed) !== false) {
      if (!this.#isHeard) this.#owner.firstByte?.();
      this.#isHeard = true;
      // Another listener may keep the chunk.
      const mayRelease = passed === chunk && this.#ownsChunks && this.#backend.listenerCount('data') === 1;
      this.#sent += passed.length;
      isAccepted = this.#client.send(passed, mayRelease, this.#reads);
    }
    this.#pauses.spend(chunk.length);
    if (!isAccepted) this.#awaitClient();
  }

  #awaitClient(): void {
    this.#pauses.add(PAUSE.receiver);
    this.silentSince = undefined;
  }

  #filtered(filter: FilterSeat, direction: 'in' | 'out', bytes: Buffer): Buffer {
    const passed = filter.pass(direction, bytes);
    if (filter.isOpen) this.#filter = undefined;
    return passed;
  }

  /** The time of the last input of a user, for a filter that looks for input. */
  get lastInput(): number | undefined {
    return this.#filter?.lastInput;
  }

  /** Bytes of the filter's own. */
  sendToClient(bytes: Buffer): void {
    if (this.#isClosing || this.#tap?.out(bytes) === false) return;
    this.#sent += bytes.length;
    if (!this.#client.send(bytes, false)) this.#awaitClient();
  }

  /** The filter ends the tunnel. */
  end(ending: Ending): void {
    this.#client.cutOff?.(ending);
  }

  onEnd(): void {
    this.#reads?.flush();
    ifEndIsOrderly(this.#backend, () => this.#client.finish('the backend ended'));
  }

  onError(error: Error): void {
    this.#reads?.flush();
    this.#fail(error instanceof BackendClosed ? error.message : undefined);
  }

  onClose(): void {
    if (this.#isBackendGone) return;
    this.#isBackendGone = true;
    this.#finish?.stop();
    const backend = this.#backend;
    backend.off('data', onData);
    backend.off('end', onEnd);
    backend.off('error', onError);
    backend.off('close', onClose);
    backend[RELAY] = undefined;
    this.#reads?.end();
    this.#fail();
    // The Close of a client that is paused for this backend would never be read.
    this.#client.resume();
    this.#settle();
  }

  /** Does nothing after an `end` or an `error`. */
  #fail(reason = 'the backend failed'): void {
    this.#client.close(endingOf('backend-failed', reason));
  }

  #settle(): void {
    if (this.#isBackendGone && this.#clientEnding) this.#owner.done(this.#clientEnding);
  }
}

// Listeners for all backends: closures for each backend would cost memory.
function onData(this: RelayedStream, chunk: Buffer): void {
  this[RELAY]?.onData(chunk);
}

function onEnd(this: RelayedStream): void {
  this[RELAY]?.onEnd();
}

function onError(this: RelayedStream, error: Error): void {
  this[RELAY]?.onError(error);
}

function onClose(this: RelayedStream): void {
  this[RELAY]?.onClose();
}

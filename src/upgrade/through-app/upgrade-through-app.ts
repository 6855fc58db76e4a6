import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TunnelError } from '../../errors.js';
import { Cancellation, type AbortState } from '../../helpers/abort.js';
import type { Lease } from '../../helpers/lease.js';
import {
  allowsHalfOpen,
  assignSocket,
  closeResponse,
  createResponse,
  detachSocket,
  isLastResponse,
  markAsOrdinary,
  responseOn,
} from '../../internals/node-http.js';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { endAfterResponse } from '../end-after-response.js';
import { keepRequest, type KeptRequest } from '../kept-request.js';
import {
  setPending,
  type ClaimedSocket,
  type PendingState,
  type PendingUpgrade,
} from '../pending-upgrade.js';
import { respondOnSocket } from '../refusal-response.js';
import { EarlyBytes } from './early-bytes.js';
import {
  discardResponse,
  finishUnwatched,
  finishWithoutSocket,
  isUnwatched,
} from './finish-without-socket.js';
import { afterEarlierResponses, forwardDrain } from './pipelining.js';
import { ResponseDeadline } from './response-deadline.js';
import { returnConnection } from './return-to-node.js';
import { closeAfterResponse, drainRequest, keepConnection } from './server-response.js';
import { publishRequestStart, publishResponseFinish } from './trace-channels.js';
import type { TrackedConnections } from './tracked-connections.js';

/** An upgrade in the form that Node passes to listeners. */
interface ArrivedUpgrade {
  readonly server: Server;
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly isHttp2?: boolean;
  /** A slot among the openings of a tunnel, released when the tunnel counts the request or the app responds. */
  readonly slot: Lease;
  /** Called when a tunnel is reached, with its `handshakeTimeout` in seconds. */
  readonly onReached: (handshakeTimeout: number) => void;
}

const UPGRADE = Symbol('express-wstunnel.upgrade');

/** A socket with the upgrade that listens to it. */
type UpgradedSocket = Duplex & { [UPGRADE]?: UpgradeThroughApp | undefined };

/**
 * Sends an upgrade through the app as an ordinary request, and replaces Node's data, end, close, drain, error and timeout
 * listeners, which Node removes from the socket before emitting `upgrade`.
 *
 *     start ──> request emitted ──> the app responds ──> connection ends, or returns to Node (startAsOrdinary)
 *                    │                    └─ with a page or 404 (startAsTrial) ──> the server's other `upgrade` listeners
 *                    └─> reached() by a tunnel ──> claim(): the response finishes without a socket ──> 101
 */
export class UpgradeThroughApp implements PendingUpgrade {
  readonly arrived = performance.now();
  readonly #server: Server;
  readonly #req: IncomingMessage;
  readonly #socket: UpgradedSocket;
  readonly #early: EarlyBytes;
  readonly #url: string | undefined;
  readonly #isHttp2: boolean;
  readonly #onReached: (handshakeTimeout: number) => void;
  readonly #gone = new Cancellation();
  readonly #deadline: ResponseDeadline;
  readonly #wasListening: boolean;
  readonly #slot: Lease;
  #res: ServerResponse | undefined;
  #claimed = false;
  /** Our `writeHead` of the response. */
  #writeHead: unknown;
  /** True until a tunnel is reached: after the app's response the connection ends or stays as without an `upgrade` listener. */
  #isOrdinary = false;
  #connections: TrackedConnections | undefined;
  #untrack: () => void = () => undefined;
  /** Set during a trial: gives the upgrade to the server's other listeners, with the bytes after the request. */
  #orElse: ((head: Buffer) => void) | undefined;

  constructor({ server, req, socket, head, slot, onReached, isHttp2 = false }: ArrivedUpgrade) {
    this.#slot = slot;
    this.#server = server;
    this.#req = req;
    this.#socket = socket;
    this.#url = req.url;
    this.#isHttp2 = isHttp2;
    this.#onReached = onReached;
    this.#wasListening = server.listening;
    this.#deadline = new ResponseDeadline(socket);
    ignoreErrors(socket);
    this.#socket[UPGRADE] = this;
    socket.on('drain', onDrain);
    socket.on('timeout', onTimeout);
    socket.on('end', onEnd);
    socket.on('close', onClose);
    this.#early = new EarlyBytes(socket, head);
  }

  get signal(): AbortState {
    return this.#gone;
  }

  get state(): PendingState {
    const res = this.#res;
    if (this.#claimed) return 'claimed';
    if (!res || res.headersSent || res.writableEnded) return 'answered';
    if (this.#gone.aborted || !this.#socket.writable) return 'gone';
    // server.close() does not reach upgraded sockets: no tunnel may open after server.close().
    if (this.#wasListening && !this.#server.listening) return 'stopped';
    return 'waiting';
  }

  /**
   * The upgrade leads to a tunnel. The app's response is final, and ends the connection. Without a response after this many
   * seconds, the client gets 504.
   */
  start(deadlineSeconds: number): void {
    this.#begin(deadlineSeconds);
  }

  /** The upgrade may lead to a tunnel: if the app responds with a page or 404, `orElse` gives the upgrade to other listeners. */
  startAsTrial(deadlineSeconds: number, orElse: (head: Buffer) => void): void {
    this.#orElse = orElse;
    this.#begin(deadlineSeconds);
  }

  /** No tunnel is known: the app responds as to an ordinary request. A hidden tunnel may still claim the upgrade. */
  startAsOrdinary(connections: TrackedConnections): void {
    this.#isOrdinary = true;
    this.#connections = connections;
    this.#untrack = connections.addPending(this.#socket);
    markAsOrdinary(this.#req);
    this.#begin(0);
  }

  #begin(deadlineSeconds: number): void {
    setPending(this.#req, this);
    this.#deadline.prepare(deadlineSeconds);
    try {
      if (responseOn(this.#socket)) afterEarlierResponses(this.#socket, () => this.#emitRequest());
      else this.#emitRequest();
    } finally {
      this.#deadline.start();
    }
  }

  reached(handshakeTimeout: number): void {
    this.#slot.release();
    this.#deadline.set(0);
    this.#onReached(handshakeTimeout);
    this.#endTrial();
    if (!this.#isOrdinary || !this.#res) return;
    this.#isOrdinary = false;
    this.#untrack();
    this.#writeHead = closeAfterResponse(this.#res, this.#isHttp2, this.#onHead);
  }

  /** From now on the app's response is sent, and other listeners do not get the upgrade. */
  #endTrial(): void {
    if (!this.#orElse) return;
    this.#orElse = undefined;
    if (this.#res) assignSocket(this.#res, this.#socket);
  }

  claim(signal: AbortState): ClaimedSocket | Promise<ClaimedSocket> {
    const res = this.#res;
    if (!res || this.state !== 'waiting') throw new Error('the upgrade can no longer be claimed');
    this.#claimed = true;
    this.#deadline.set(0);
    try {
      res.off('finish', this.#onFinish);
      detachSocket(res, this.#socket);
      if (!isUnwatched(res, this.#writeHead)) return this.#awaitFinish(res, signal);
      return this.#claimedWith(finishUnwatched(res, signal));
    } catch (error) {
      throw this.#failed(error);
    }
  }

  keep(): KeptRequest {
    return keepRequest(this.#server, this.#req, this.#url ?? '/', this.#socket);
  }

  async #awaitFinish(res: ServerResponse, signal: AbortState): Promise<ClaimedSocket> {
    try {
      return this.#claimedWith(await finishWithoutSocket(res, signal));
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #claimedWith(headers: readonly string[]): ClaimedSocket {
    const head = this.#early.take();
    this.#stopListening();
    drainRequest(this.#req);
    const isServed = () => !this.#wasListening || this.#server.listening;
    return { socket: this.#socket, head, headers, isServed };
  }

  #failed(error: unknown): unknown {
    respondOnSocket(this.#socket, error instanceof TunnelError ? error.status : 500);
    this.#stopListening();
    drainRequest(this.#req);
    return error;
  }

  /** Removes all listeners except the `error` listener. */
  #stopListening(): void {
    const socket = this.#socket;
    this.#early.takeWithoutHead();
    if (socket[UPGRADE] !== this) return;
    socket[UPGRADE] = undefined;
    socket.off('drain', onDrain);
    socket.off('timeout', onTimeout);
    socket.off('end', onEnd);
    socket.off('close', onClose);
  }

  /** Emits the request, as Node does after reading a request's header. */
  #emitRequest(): void {
    const server = this.#server;
    const socket = this.#socket;
    // The earlier response may have left its keep-alive timeout on the socket.
    if (socket instanceof Socket) socket.setTimeout(server.timeout);
    const res = createResponse(server, this.#req, socket);
    this.#res = res;
    this.#deadline.response = res;
    res.on('finish', this.#onFinish);
    if (this.#isOrdinary) keepConnection(server, res);
    else this.#writeHead = closeAfterResponse(res, this.#isHttp2, this.#onHead);
    // A response without a socket queues all writes: during a trial nothing is sent.
    if (!this.#orElse) assignSocket(res, socket);
    publishRequestStart(server, socket, this.#req, res);
    server.emit('request', this.#req, res);
  }

  /** The app begins to respond. */
  readonly #onHead = (status: number): boolean => {
    if (this.#claimed) return false;
    this.#slot.release();
    const orElse = this.#orElse;
    const res = this.#res;
    if (!orElse || !res) return true;
    const isPage = status === 404 || (status >= 200 && status <= 299);
    if (!isPage) {
      this.#endTrial();
      return true;
    }
    this.#orElse = undefined;
    res.off('finish', this.#onFinish);
    this.#deadline.set(0);
    const head = this.#early.take();
    this.#stopListening();
    discardResponse(res);
    if (this.#gone.aborted) return true;
    // In the next tick: an error of a listener must not be thrown into the app's call.
    process.nextTick(() => {
      // The app may have responded within a mount, where Express has shortened the URL.
      if (this.#url !== undefined) this.#req.url = this.#url;
      orElse(head);
    });
    return true;
  };

  /** The app has responded. */
  readonly #onFinish = (): void => {
    const res = this.#res;
    this.#deadline.set(0);
    // Bytes that arrived together with the request are lost, as in Node without an `upgrade` listener.
    const next = this.#early.takeWithoutHead();
    this.#stopListening();
    if (!res) return;
    publishResponseFinish(this.#server, this.#socket, this.#req, res);
    try {
      if (responseOn(this.#socket) === res) detachSocket(res, this.#socket);
    } catch {
      // A response altered by a middleware may throw.
      this.#socket.destroy();
    }
    closeResponse(res);
    drainRequest(this.#req);
    if (!this.#isOrdinary || isLastResponse(res) || this.#gone.aborted) endAfterResponse(this.#socket);
    else returnConnection(this.#server, this.#socket, next, this.#connections?.addIdle(this.#socket));
    // After `addIdle`: without a tracked connection, a closed TrackedConnections restores the server's methods.
    this.#untrack();
  };

  /** Does the same as Node's own `timeout` listener: a `server.timeout` set by the app still applies. */
  onTimeout(): void {
    const heard = this.#res?.emit('timeout', this.#socket);
    if (!this.#server.emit('timeout', this.#socket) && !heard) this.#socket.destroy();
  }

  /** A client that ends before the 101 response counts as gone: no WebSocket is half-closed. */
  onEnd(): void {
    if (this.#isOrdinary && allowsHalfOpen(this.#server)) return;
    this.#gone.abort();
    // As in Node, queued bytes are sent. Otherwise the socket would stay open, and `res` would never emit `close`.
    if (!this.#claimed) this.#socket.end();
  }

  onClose(): void {
    this.#slot.release();
    this.#deadline.set(0);
    this.#gone.abort();
    if (!this.#claimed) this.#req.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
    this.#stopListening();
  }
}

// Listeners for all sockets: closures for each socket would cost memory.
function onDrain(this: UpgradedSocket): void {
  forwardDrain(this);
}

function onTimeout(this: UpgradedSocket): void {
  this[UPGRADE]?.onTimeout();
}

function onEnd(this: UpgradedSocket): void {
  this[UPGRADE]?.onEnd();
}

function onClose(this: UpgradedSocket): void {
  this[UPGRADE]?.onClose();
}

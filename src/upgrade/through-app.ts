import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ignoreErrors } from '../streams/ignore-errors.js';
import type { Lease } from '../helpers/lease.js';
import { TunnelError } from '../errors.js';
import { acceptedMark } from '../streams/write-progress.js';
import { answerBare } from './answer.js';
import type { Connections } from './connections.js';
import { EarlyBytes } from './early-bytes.js';
import { endPolitely } from './end-politely.js';
import { setPending, type ClaimedSocket, type PendingState, type PendingUpgrade } from './pending.js';
import { handBack } from './ordinary.js';
import { publishFinish, publishStart } from './published.js';
import { closeAfterwards, isLast, keepAlive, newResponse } from './response.js';
import { passDrain, whenAnswered, type HttpSocket } from './turn.js';
import { answerNobody, closeResponse, finishVirtually } from './virtual-finish.js';

/** An upgrade, as Node hands it over. */
export interface ArrivedUpgrade {
  readonly server: Server;
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Among the openings of a tunnel: held until the tunnel counts the request itself, or the app answers. */
  readonly place: Lease;
  /** Called when a tunnel is reached, with its `handshakeTimeout` in seconds. */
  readonly onReached: (handshakeTimeout: number) => void;
}

/**
 * Sends an upgrade through the app as the ordinary request that it was, with everything around it that Node took off: before
 * Node emits `upgrade` it removes its own data, end, close, drain, error and timeout listeners from the socket.
 *
 * The app then either answers, or a tunnel claims the socket.
 */
export class UpgradeThroughApp implements PendingUpgrade {
  readonly arrived = performance.now();
  readonly #server: Server;
  readonly #req: IncomingMessage;
  readonly #socket: HttpSocket;
  readonly #early: EarlyBytes;
  readonly #url: string | undefined;
  readonly #onReached: (handshakeTimeout: number) => void;
  readonly #gone = new AbortController();
  readonly #wasListening: boolean;
  readonly #place: Lease;
  #res: ServerResponse | undefined;
  #claimed = false;
  /** Until a tunnel is reached: the app's answer leaves the connection as Node would. */
  #isOrdinary = false;
  #connections: Connections | undefined;
  #notPending: () => void = () => undefined;
  /** While it is open whose upgrade this is: gives it to the server's other listeners, with the bytes behind its header. */
  #orElse: ((head: Buffer) => void) | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #seconds = 0;
  #sentAtDeadline = 0;

  constructor({ server, req, socket, head, place, onReached }: ArrivedUpgrade) {
    this.#place = place;
    this.#server = server;
    this.#req = req;
    this.#socket = socket;
    this.#url = req.url;
    this.#onReached = onReached;
    this.#wasListening = server.listening;
    ignoreErrors(socket);
    socket.on('drain', this.#onDrain);
    socket.on('timeout', this.#onTimeout);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    this.#early = new EarlyBytes(socket, head);
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  get state(): PendingState {
    const res = this.#res;
    if (this.#claimed) return 'claimed';
    if (!res || res.headersSent || res.writableEnded) return 'answered';
    if (this.#gone.signal.aborted || !this.#socket.writable) return 'gone';
    // server.close() does not reach upgraded sockets: a tunnel must not open behind it.
    if (this.#wasListening && !this.#server.listening) return 'stopped';
    return 'waiting';
  }

  /**
   * The upgrade leads to a tunnel. What the app answers is the answer, and ends the connection; after so many seconds without
   * an answer the upgrade is refused.
   */
  start(deadlineSeconds: number): void {
    this.#begin(deadlineSeconds);
  }

  /** The same as a trial: an app that answers with a page or 404 has not spoken for the upgrade, and it goes to the others. */
  startAsTrial(deadlineSeconds: number, orElse: (head: Buffer) => void): void {
    this.#orElse = orElse;
    this.#begin(deadlineSeconds);
  }

  /** Nothing is known of a tunnel: the app answers as if nothing had listened for upgrades. A hidden tunnel may claim it. */
  startAsOrdinary(connections: Connections): void {
    this.#isOrdinary = true;
    this.#connections = connections;
    this.#notPending = connections.addPending(this.#socket);
    (this.#req as IncomingMessage & { upgrade?: boolean }).upgrade = false;
    this.#begin(0);
  }

  /** Emits the request, once the answers to the requests before it on this connection are out. */
  #begin(deadlineSeconds: number): void {
    setPending(this.#req, this);
    this.#setDeadline(deadlineSeconds);
    whenAnswered(this.#socket, () => this.#emitRequest());
  }

  reached(handshakeTimeout: number): void {
    this.#place.release();
    this.#setDeadline(0);
    this.#onReached(handshakeTimeout);
    this.#belongsToApp();
    if (!this.#isOrdinary || !this.#res) return;
    this.#isOrdinary = false;
    this.#notPending();
    closeAfterwards(this.#res, this.#onHead);
  }

  /** No other listener is offered it any more. */
  #belongsToApp(): void {
    if (!this.#orElse) return;
    this.#orElse = undefined;
    this.#res?.assignSocket(this.#socket as Socket);
  }

  #setDeadline(seconds: number): void {
    clearTimeout(this.#deadline);
    this.#seconds = seconds;
    if (seconds > 0) this.#deadline = setTimeout(this.#onDeadline, seconds * 1000);
  }

  async claim(signal: AbortSignal): Promise<ClaimedSocket> {
    const res = this.#res;
    if (!res || this.state !== 'waiting') throw new Error('the upgrade can no longer be claimed');
    this.#claimed = true;
    this.#setDeadline(0);
    try {
      res.off('finish', this.#onFinish);
      res.detachSocket(this.#socket as Socket);
      const headers = await finishVirtually(res, signal);
      const isServed = () => !this.#wasListening || this.#server.listening;
      return { socket: this.#socket, head: this.#early.take(), headers, isServed };
    } catch (error) {
      answerBare(this.#socket, error instanceof TunnelError ? error.status : 500);
      throw error;
    } finally {
      this.#stopListening();
      endRequest(this.#req);
    }
  }

  /** All but `error`. */
  #stopListening(): void {
    this.#early.take();
    this.#socket.off('drain', this.#onDrain);
    this.#socket.off('timeout', this.#onTimeout);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('close', this.#onClose);
  }

  /** What Node does with a request that it has read. */
  #emitRequest(): void {
    const server = this.#server;
    const socket = this.#socket;
    // The answer before this one may have left its keep-alive timeout on the socket.
    if (socket instanceof Socket) socket.setTimeout(server.timeout);
    const res = newResponse(server, this.#req, socket);
    this.#res = res;
    res.on('finish', this.#onFinish);
    if (this.#isOrdinary) keepAlive(server, res);
    else closeAfterwards(res, this.#onHead);
    if (!this.#orElse) res.assignSocket(socket as Socket);
    publishStart({ server, socket, request: this.#req, response: res });
    server.emit('request', this.#req, res);
  }

  /** The app begins to answer. Until then a response without socket keeps what is written, as for pipelined requests. */
  readonly #onHead = (status: number): void => {
    this.#place.release();
    const orElse = this.#orElse;
    const res = this.#res;
    if (!orElse || !res) return;
    const isPage = status === 404 || (status >= 200 && status <= 299);
    if (!isPage) {
      this.#belongsToApp();
      return;
    }
    this.#orElse = undefined;
    res.off('finish', this.#onFinish);
    this.#setDeadline(0);
    const head = this.#early.take();
    this.#stopListening();
    answerNobody(res);
    if (this.#gone.signal.aborted) return;
    // Not within the app's call: a listener that throws is not the app's fault.
    process.nextTick(() => {
      // The answer may have come from within a mount, where Express has cut the URL.
      if (this.#url !== undefined) this.#req.url = this.#url;
      orElse(head);
    });
  };

  /** The app has answered. */
  readonly #onFinish = (): void => {
    const res = this.#res;
    this.#setDeadline(0);
    // As Node without an `upgrade` listener: what arrived in one piece with the header is lost there.
    const next = this.#early.takeWithoutHead();
    this.#notPending();
    this.#stopListening();
    if (!res) return;
    publishFinish({ server: this.#server, socket: this.#socket, request: this.#req, response: res });
    try {
      if (this.#socket._httpMessage === res) res.detachSocket(this.#socket as Socket);
    } catch {
      // A response that the app has altered may throw at every touch.
      this.#socket.destroy();
    }
    closeResponse(res);
    endRequest(this.#req);
    if (!this.#isOrdinary || isLast(res) || this.#gone.signal.aborted) endPolitely(this.#socket);
    else handBack(this.#server, this.#socket, next, this.#connections?.addIdle(this.#socket));
  };

  readonly #onDrain = (): void => passDrain(this.#socket);

  /** What Node's own `timeout` listener does: a `server.timeout` that the app has set still applies. */
  readonly #onTimeout = (): void => {
    const heard = this.#res?.emit('timeout', this.#socket);
    if (!this.#server.emit('timeout', this.#socket) && !heard) this.#socket.destroy();
  };

  /** A client that ends before the 101 is gone: there are no half-closed WebSockets. */
  readonly #onEnd = (): void => {
    if (this.#isOrdinary && this.#allowsHalfOpen()) return;
    this.#gone.abort();
    // As Node does: what is written goes out. Without it the socket stays, and `res` never emits `close`.
    if (!this.#claimed) this.#socket.end();
  };

  #allowsHalfOpen(): boolean {
    return (this.#server as Server & { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen === true;
  }

  readonly #onClose = (): void => {
    this.#place.release();
    this.#setDeadline(0);
    this.#gone.abort();
    if (!this.#claimed) this.#req.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
    this.#stopListening();
  };

  /** Ends what nobody has answered. A middleware's own `headersSent`, `setHeader` or `end` may throw, here in a timer. */
  readonly #onDeadline = (): void => {
    try {
      this.#answerLate();
    } catch {
      this.#socket.destroy();
    }
  };

  /** An answer under way may go on as long as it moves. */
  #answerLate(): void {
    const res = this.#res;
    const sent = acceptedMark(this.#socket);
    const isMoving = res?.headersSent === true && sent > this.#sentAtDeadline;
    if (!res || res.destroyed || (res.headersSent && !isMoving)) {
      this.#socket.destroy();
      return;
    }
    this.#sentAtDeadline = sent;
    // Once more: an app's own `end` (a session's) may hold the last byte back for ever.
    this.#setDeadline(this.#seconds);
    if (res.headersSent) return;
    res.statusCode = 504;
    res.setHeader('Content-Type', 'text/plain; charset=utf-8');
    // As bytes: with a string, Node would write the header in UTF-8.
    res.end(Buffer.from('The app did not answer in time.\n'));
  }
}

/** What Node does behind a response: unread, a request would never emit `end` and `close`. */
function endRequest(req: IncomingMessage): void {
  // Reading one that is not complete would read from the socket, which may be a tunnel's.
  try {
    if (req.complete) req.resume();
  } catch {
    // A getter of the app's own.
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../../errors.js';
import { Cancellation } from '../../helpers/abort.js';
import {
  assignSocket,
  closeResponse,
  createRequest,
  createResponse,
  detachSocket,
  responseOn,
} from '../../internals/node-http.js';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { rawHeadersOf, type KeptRequest } from '../kept-request.js';
import { forwardDrain } from '../through-app/pipelining.js';
import { drainRequest } from '../through-app/server-response.js';
import { CheckSocket } from './check-socket.js';
import { markCheck, type CheckOnRequest, type CheckOutcome } from './check-on-request.js';
import { retryAfterOf } from './retry-after.js';

interface CheckSettings {
  /** Seconds until the check ends without an answer. */
  readonly seconds: number;
  /** Does the response end as that of an ordinary request, so that a session is touched? */
  readonly touch: boolean;
}

interface CheckOwner {
  /** Called once, as soon as the outcome is known. */
  settled(outcome: CheckOutcome): void;
  /** Called once, after `settled`: nothing of the check is left. */
  released(): void;
}

/**
 * Sends the request that opened a tunnel through the app again, with a response that nobody receives.
 *
 *     start ──> request emitted ──> the app responds, throws or destroys ──> settled ──> released
 *                    ├─> reached() or refused() by a tunnel ──> settled ──> the response finishes or is destroyed ──> released
 *                    └─> the deadline or abort() ──> settled ──> released
 */
export class LoginCheck implements CheckOnRequest {
  readonly signal = new Cancellation();
  readonly granted: CheckOnRequest['granted'];
  readonly #settings: CheckSettings;
  readonly #owner: CheckOwner;
  readonly #socket: CheckSocket;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #server: KeptRequest['server'];
  #timer: NodeJS.Timeout | undefined;
  #isSettled = false;

  constructor(kept: KeptRequest, settings: CheckSettings, owner: CheckOwner) {
    this.#settings = settings;
    this.#owner = owner;
    this.#server = kept.server;
    this.granted = kept.granted;
    this.#socket = ignoreErrors(new CheckSocket(kept.socket, (bytes) => this.#onBytes(bytes)));
    const { url, upgrade } = kept;
    this.#req = createRequest(kept.server, this.#socket, url, rawHeadersOf(kept), upgrade);
    this.#res = createResponse(kept.server, this.#req, this.#socket);
  }

  /** May the outcome differ for another tunnel with the same request? */
  get isForOneTunnel(): boolean {
    return this.#socket.wasReadAlone;
  }

  start(): void {
    const [socket, res] = [this.#socket, this.#res];
    this.#timer = setTimeout(onDeadline, this.#settings.seconds * 1000, this);
    this.#timer.unref();
    markCheck(this.#req, this);
    socket.on('drain', () => forwardDrain(socket));
    socket.once('close', () => this.#onClose());
    res.once('finish', () => this.#onFinish());
    assignSocket(res, socket);
    try {
      this.#server.emit('request', this.#req, res);
    } catch (error) {
      this.#settle({ kind: 'unanswered', reason: `the app threw: ${messageOf(error)}` });
      socket.destroy();
    }
  }

  reached(owner: unknown, user: string | undefined, rights: string | undefined): void {
    if (this.#settle({ kind: 'reached', owner, user, rights })) this.#finish(this.#settings.touch);
  }

  refused(status: number): void {
    if (this.#settle({ kind: 'answered', status })) this.#finish(false);
  }

  /** Ends the check at once: without an effect on the outcome if there is one already. */
  abort(reason: string): void {
    this.#settle({ kind: 'unanswered', reason });
    this.#socket.destroy();
  }

  /** Returns false if the check was settled before. */
  #settle(outcome: CheckOutcome): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#owner.settled(outcome);
    return true;
  }

  #finish(touch: boolean): void {
    const res = this.#res;
    try {
      if (touch && !res.headersSent) {
        res.statusCode = 101;
        // A session is saved before the end. The deadline remains.
        res.end();
      } else res.destroy();
    } catch {
      // A middleware may have replaced either method.
      this.#socket.destroy();
    }
  }

  /** The app writes: an answer counts from its header on, since a stream of events may have no end. */
  #onBytes(bytes: Buffer): void {
    const { headersSent, statusCode: status } = this.#res;
    if (!headersSent || this.#isSettled) return;
    const retryAfter = status === 429 || status === 503 ? retryAfterOf(bytes) : undefined;
    this.#settle({ kind: 'answered', status, retryAfter });
  }

  #onFinish(): void {
    const [socket, res] = [this.#socket, this.#res];
    this.#settle({ kind: 'answered', status: res.statusCode });
    try {
      if (responseOn(socket) === res) detachSocket(res, socket);
    } catch {
      // A response altered by a middleware may throw.
    }
    closeResponse(res);
    drainRequest(this.#req);
    socket.destroy();
  }

  #onClose(): void {
    clearTimeout(this.#timer);
    this.#settle({ kind: 'unanswered', reason: 'the app destroyed the request' });
    // Ends the hooks of the app that still run for this check.
    this.signal.abort();
    drainRequest(this.#req);
    this.#owner.released();
  }
}

function onDeadline(check: LoginCheck): void {
  check.abort('the app did not answer in time');
}

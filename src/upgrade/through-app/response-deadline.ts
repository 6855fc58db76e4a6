import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { acceptedMark } from '../../streams/write-progress.js';

/** Answers an upgrade with 504 if the app takes too long. A response in progress may continue as long as bytes move. */
export class ResponseDeadline {
  /** The app's response, as soon as there is one. */
  response: ServerResponse | undefined;
  readonly #socket: Duplex;
  #timer: NodeJS.Timeout | undefined;
  #seconds = 0;
  #sentBefore = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Restarts the deadline; 0 means no deadline. */
  set(seconds: number): void {
    this.prepare(seconds);
    this.start();
  }

  /** Sets a deadline that counts from {@link start} on: most apps need no timer, since a tunnel is reached in the same turn. */
  prepare(seconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#seconds = seconds;
  }

  start(): void {
    if (this.#seconds > 0) this.#timer ??= setTimeout(onDeadline, this.#seconds * 1000, this);
  }

  expire(): void {
    try {
      this.#endResponse();
    } catch {
      // A middleware may have replaced `headersSent`, `setHeader` or `end`: an error thrown in this timer would end the process.
      this.#socket.destroy();
    }
  }

  #endResponse(): void {
    const res = this.response;
    const sent = acceptedMark(this.#socket);
    const isMoving = res?.headersSent === true && sent > this.#sentBefore;
    if (!res || res.destroyed || (res.headersSent && !isMoving)) {
      this.#socket.destroy();
      return;
    }
    this.#sentBefore = sent;
    // The deadline restarts: a middleware's `end` (a session's) may delay the last byte forever.
    this.set(this.#seconds);
    if (res.headersSent) return;
    res.statusCode = 504;
    res.setHeader('Content-Type', 'text/plain; charset=utf-8');
    // A Buffer: with a string, Node would write the header in UTF-8.
    res.end(Buffer.from('The app did not answer in time.\n'));
  }
}

function onDeadline(deadline: ResponseDeadline): void {
  deadline.expire();
}

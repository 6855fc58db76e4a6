import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** What is read before the 101, in bytes. A client must not send any then (RFC 6455 section 4.1), but some do. */
const MOST = 65_536;

/**
 * Reads what a client sends while its upgrade waits for an answer. Unread, those bytes would hide the client's end: a client
 * that has left would be noticed only at the deadline.
 */
export class EarlyBytes {
  readonly #socket: Duplex;
  // Another Duplex notices an end by itself, or is given back unread (HTTP/2).
  readonly #reads: boolean;
  readonly #head: Buffer;
  #chunks: Buffer[] = [];
  #length: number;

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#reads = socket instanceof Socket;
    this.#head = head;
    this.#length = head.length;
    if (this.#reads) socket.on('data', this.#onData);
  }

  /** Stops reading and returns everything from the header on. The socket is as Node gives it to an `upgrade` listener. */
  take(): Buffer {
    return Buffer.concat([this.#head, this.takeWithoutHead()]);
  }

  /** The same without what arrived in one piece with the header. */
  takeWithoutHead(): Buffer {
    const [chunks, socket] = [this.#chunks, this.#socket];
    this.#chunks = [];
    if (this.#reads && socket.listeners('data').includes(this.#onData)) {
      socket.off('data', this.#onData);
      socket.pause();
      // Neither paused nor flowing: the next `data` listener starts it.
      (socket as { readableFlowing: boolean | null }).readableFlowing = null;
      if (!socket.destroyed) socket.read(0);
    }
    return Buffer.concat(chunks);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length >= MOST) this.#socket.pause();
  };
}

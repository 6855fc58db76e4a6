import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { forgetReader } from '../../internals/node-net.js';

/** Bytes that are read before the 101 response. A client must not send any then (RFC 6455 section 4.1), but some do. */
const MAX_EARLY_BYTES = 65_536;

/**
 * Reads what a client sends before its upgrade is answered. Unread bytes would hide the client's end: a client that has left
 * would be noticed only at the deadline.
 */
export class EarlyBytes {
  readonly #socket: Duplex;
  // A Duplex of another kind notices an end without being read, or is given back unread (HTTP/2).
  readonly #reads: boolean;
  readonly #head: Buffer;
  #chunks: Buffer[] = [];
  #length: number;

  /** `head`: bytes that Node read together with the request. */
  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#reads = socket instanceof Socket;
    this.#head = head;
    this.#length = head.length;
    if (this.#reads) socket.on('data', this.#onData);
  }

  /** Stops reading, and returns all bytes after the request. The socket is as Node gives it to an `upgrade` listener. */
  take(): Buffer {
    return Buffer.concat([this.#head, this.takeWithoutHead()]);
  }

  /** The same without `head`. */
  takeWithoutHead(): Buffer {
    const [chunks, socket] = [this.#chunks, this.#socket];
    this.#chunks = [];
    if (this.#reads && socket.listeners('data').includes(this.#onData)) {
      socket.off('data', this.#onData);
      socket.pause();
      forgetReader(socket);
      if (!socket.destroyed) socket.read(0);
    }
    return Buffer.concat(chunks);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length >= MAX_EARLY_BYTES) this.#socket.pause();
  };
}

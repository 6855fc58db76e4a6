import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { forgetReader } from '../../internals/node-net.js';

/** Limit of bytes read before the 101 response. A client must not send bytes before the response (RFC 6455 section 4.1), but some do. */
const MAX_EARLY_BYTES = 65_536;

const NOTHING = Buffer.alloc(0);

const EARLY = Symbol('express-wstunnel.early-bytes');

/** A socket with the object that reads the early bytes. */
type ReadSocket = Duplex & { [EARLY]?: EarlyBytes | undefined };

/**
 * Reads the bytes that a client sends before the response to the upgrade. Unread bytes would hide the client's end: a client that
 * has left would be noticed only at the deadline.
 */
export class EarlyBytes {
  readonly #socket: ReadSocket;
  // Other kinds of Duplex notice an end without being read, or are given back unread (HTTP/2).
  #reads: boolean;
  readonly #head: Buffer;
  #chunks: Buffer[] | undefined;
  #length: number;

  /** `head`: bytes that Node read together with the request. */
  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#reads = socket instanceof Socket;
    this.#head = head;
    this.#length = head.length;
    if (!this.#reads) return;
    this.#socket[EARLY] = this;
    socket.on('data', onData);
  }

  /** Stops reading, and returns all bytes after the request. The socket is then in the state that Node gives to an `upgrade` listener. */
  take(): Buffer {
    const rest = this.takeWithoutHead();
    return rest.length === 0 ? this.#head : Buffer.concat([this.#head, rest]);
  }

  /** Stops reading, and returns the bytes after the request except `head`. */
  takeWithoutHead(): Buffer {
    const chunks = this.#chunks;
    const socket = this.#socket;
    this.#chunks = undefined;
    const wasReading = this.#reads;
    this.#reads = false;
    if (wasReading && socket.listeners('data').includes(onData)) {
      socket[EARLY] = undefined;
      socket.off('data', onData);
      socket.pause();
      forgetReader(socket);
      if (!socket.destroyed) socket.read(0);
    }
    return chunks === undefined ? NOTHING : Buffer.concat(chunks);
  }

  add(chunk: Buffer): void {
    (this.#chunks ??= []).push(chunk);
    this.#length += chunk.length;
    if (this.#length >= MAX_EARLY_BYTES) this.#socket.pause();
  }
}

// A listener for all sockets: a closure for each would cost memory.
function onData(this: ReadSocket, chunk: Buffer): void {
  this[EARLY]?.add(chunk);
}

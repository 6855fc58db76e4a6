import { Duplex } from 'node:stream';
import { PooledReads } from '../../streams/pooled-reads.js';

/** Most bytes of one read during the handshake. */
const MOST = 65_536;

const NOTHING = Buffer.alloc(0);

type Done = (error?: Error | null) => void;

/**
 * The connection to a backend during the opening handshake, as a stream for Node's HTTP client: a socket with pooled reads emits no
 * `data`. After {@link leave} the socket is paused, as before the handshake, and has no listener of this stream.
 */
export class HandshakeStream extends Duplex {
  readonly #socket: Duplex;
  #hasLeft = false;

  constructor(socket: Duplex) {
    super();
    this.#socket = socket;
    const reads = PooledReads.of(socket);
    // The bytes of a pooled read are valid during the call only.
    if (reads) reads.start((bytes) => this.#onData(Buffer.from(bytes)), MOST);
    else socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
  }

  /** Gives the socket back to the caller. Returns the bytes that were read from the socket, but not yet from this stream. */
  leave(): Buffer {
    const socket = this.#socket;
    socket.pause();
    this.#hasLeft = true;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('close', this.#onClose);
    const unread: unknown = this.read();
    this.destroy();
    return Buffer.isBuffer(unread) ? unread : NOTHING;
  }

  override _read(): void {
    if (!this.#hasLeft) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#socket.write(chunk, done);
  }

  override _destroy(error: Error | null, done: Done): void {
    if (!this.#hasLeft) this.#socket.destroy();
    done(error);
  }

  readonly #onData = (bytes: Buffer): void => {
    if (!this.push(bytes)) this.#socket.pause();
  };

  readonly #onEnd = (): void => {
    this.push(null);
  };

  readonly #onError = (error: Error): void => {
    this.destroy(error);
  };

  readonly #onClose = (): void => {
    this.destroy();
  };
}

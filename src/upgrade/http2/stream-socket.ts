import { constants, type ServerHttp2Stream } from 'node:http2';
import { TLSSocket } from 'node:tls';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { DuplexAsSocket } from '../duplex-as-socket.js';
import { HeadReader, type ResponseHead } from './response-head.js';

/**
 * Limit of the bytes passed to Node's http2 at once. http2 counts the queued bytes of all streams of a connection against
 * `maxSessionMemory` (10 MB), and refuses new streams above that limit: a few stalled tunnels must not reach the limit.
 */
const SLICE = 65_536;

const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR } = constants;

/**
 * A stream of an HTTP/2 connection as the socket of one HTTP/1.1 exchange. A response written to this socket is sent as HEADERS
 * (101 becomes 200, RFC 8441 section 5) followed by DATA. The end is sent as END_STREAM; destroying the socket before its end
 * sends RST_STREAM.
 *
 * The stream is read only when this socket is read: before that, `letGo` leaves the stream to other listeners.
 */
export class StreamSocket extends DuplexAsSocket {
  readonly encrypted: boolean;
  readonly authorized: boolean;
  readonly remoteAddress: string | undefined;
  readonly remoteFamily: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  /** Bytes that http2 has accepted: see streams/write-progress.ts. */
  bytesAccepted = 0;
  /** See {@link tame}. */
  readonly isTame = true;
  readonly #stream: ServerHttp2Stream;
  #head: HeadReader | undefined = new HeadReader();
  #reads = false;

  constructor(stream: ServerHttp2Stream) {
    super();
    this.#stream = stream;
    // Read now: after the end of the session, `session.socket` is gone.
    const connection = stream.session?.socket;
    // `session.socket` is a Proxy of the socket, and an instance of the same class.
    this.encrypted = connection instanceof TLSSocket;
    this.authorized = connection instanceof TLSSocket && connection.authorized;
    this.remoteAddress = connection?.remoteAddress;
    this.remoteFamily = connection?.remoteFamily;
    this.remotePort = connection?.remotePort;
    this.localAddress = connection?.localAddress;
    this.localPort = connection?.localPort;
    ignoreErrors(stream);
    stream.on('end', this.#onEnd);
    stream.on('aborted', this.#onAborted);
    stream.on('close', this.#onClose);
    stream.on('timeout', this.#onTimeout);
    // A socket notices an end even without a reader.
    stream.read(0);
  }

  /** The client's certificate, as in a TLSSocket. */
  getPeerCertificate(detailed = false): object {
    const { session } = this.#stream;
    if (!this.encrypted || !session || session.destroyed) return {};
    return (session.socket as TLSSocket).getPeerCertificate(detailed);
  }

  setTimeout(milliseconds: number, listener?: () => void): this {
    this.#stream.setTimeout(milliseconds);
    if (listener) this.once('timeout', listener);
    return this;
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Leaves the stream to other listeners, unread. */
  letGo(): void {
    this.#stopListening();
  }

  override _read(): void {
    if (!this.#reads) this.#stream.on('data', this.#onData);
    this.#reads = true;
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#write([chunk], done);
  }

  override _writev(chunks: readonly { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#write(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    // The socket ends without a response: http2 would send a 200.
    if (this.#head) this.#stream.close(NGHTTP2_CANCEL);
    // Failures of the stream arrive as the stream's `close`.
    if (this.#head || this.#stream.writableEnded) done();
    else this.#stream.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const stream = this.#stream;
    this.#stopListening();
    const free = (code: number) => {
      if (!stream.closed && !stream.destroyed) stream.close(code);
      // Node frees the stream only after all bytes are read.
      stream.resume();
    };
    // After a complete response the client is asked to send no more (RFC 9113 section 8.1). The request is sent one event-loop
    // turn later, because it would overtake a response without body. Any other end is a reset.
    if (this.writableFinished && !this.#head) setImmediate(free, NGHTTP2_NO_ERROR);
    else free(NGHTTP2_CANCEL);
    done(error);
  }

  #write(parts: readonly Buffer[], done: (error?: Error | null) => void): void {
    const body = this.#head ? this.#readHeads(Buffer.concat(parts)) : parts;
    const slices = body.flatMap(slicesOf);
    if (slices.length === 0) done();
    else this.#send(slices, 0, done);
  }

  #send(slices: readonly Buffer[], from: number, done: (error?: Error | null) => void): void {
    const stream = this.#stream;
    let to = from;
    let size = 0;
    for (let next = slices[to]; next && (to === from || size + next.length <= SLICE); next = slices[to]) {
      size += next.length;
      to++;
    }
    const sent = (error?: Error | null) => {
      this.bytesAccepted += size;
      if (error || to === slices.length) done(error);
      else this.#send(slices, to, done);
    };
    stream.cork();
    slices.slice(from, to - 1).forEach((slice) => stream.write(slice));
    stream.write(slices[to - 1], sent);
    stream.uncork();
  }

  /** Sends the response heads in these bytes; returns the bytes after the heads. */
  #readHeads(bytes: Buffer): readonly Buffer[] {
    let left = bytes;
    while (this.#head) {
      const read = this.#head.push(left);
      if (!read) return [];
      left = read.rest;
      this.#respond(read.head);
    }
    return [left];
  }

  #respond({ status, headers }: ResponseHead): void {
    const stream = this.#stream;
    const isInformation = status < 200 && status !== 101;
    if (!isInformation) this.#head = undefined;
    if (stream.closed || stream.destroyed) return;
    try {
      if (isInformation) {
        stream.additionalHeaders({ ...headers, ':status': status });
        return;
      }
      // The timeout was for the request.
      if (status === 101) stream.setTimeout(0);
      stream.respond({ ...headers, ':status': status === 101 ? 200 : status });
    } catch {
      // HTTP/1.1 permits repeating headers that HTTP/2 permits only once.
      stream.close(NGHTTP2_INTERNAL_ERROR);
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.#stream.pause();
  };

  readonly #onEnd = (): void => {
    this.push(null);
    this.read(0);
  };

  readonly #onAborted = (): void => {
    this.destroy(resetOf(this.#stream));
  };

  readonly #onClose = (): void => {
    // Both directions have ended: the app may still read the rest.
    if (this.#stream.readableEnded && this.writableFinished) return;
    this.destroy(resetOf(this.#stream));
  };

  readonly #onTimeout = (): void => {
    this.emit('timeout');
  };

  /** Removes all listeners except the `error` listener. */
  #stopListening(): void {
    const stream = this.#stream;
    stream.off('data', this.#onData);
    stream.off('end', this.#onEnd);
    stream.off('aborted', this.#onAborted);
    stream.off('close', this.#onClose);
    stream.off('timeout', this.#onTimeout);
  }
}

function slicesOf(bytes: Buffer): Buffer[] {
  const slices: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += SLICE) slices.push(bytes.subarray(at, at + SLICE));
  return slices;
}

/** A reset stream as the error of a socket. */
function resetOf(stream: ServerHttp2Stream): Error {
  const message = `the HTTP/2 stream was reset with code ${stream.rstCode}`;
  return Object.assign(new Error(message), { code: 'ECONNRESET' });
}

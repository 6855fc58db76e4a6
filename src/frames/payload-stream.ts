import { Duplex } from 'node:stream';
import { CLOSE, endingOf, ORDERLY, type Ending } from '../streams/close-causes.js';
import { WebSocketStream, type StreamSettings } from './websocket-stream.js';

/** Most bytes of payload in a frame, so that servers that assemble messages need no larger buffer. */
const MAX_FRAME = 65_536;

type Done = (error?: Error | null) => void;

/**
 * The payload of a WebSocket connection, at the client's end, as a Duplex of bytes. Bytes written before {@link begin} are queued.
 *
 * A WebSocket has no half-close: `end()` sends a Close after the written bytes. Bytes that the server sent before it received the
 * Close are still read; afterwards the server can send no bytes. Bytes written after the server's Close are dropped. An end without a
 * Close 1000 is an error, reported after all bytes received before have been read.
 */
export abstract class PayloadStream extends Duplex {
  /** Bytes of payload. */
  bytesRead = 0;
  bytesWritten = 0;
  /** Written bytes that were not sent, because the tunnel was closed first. */
  bytesDropped = 0;
  /** The code of the first Close in either direction; 1006 where the connection was lost. */
  closeCode: number | undefined;
  closeReason = '';
  #stream: WebSocketStream | undefined;
  #isClosed = false;
  #failure: Error | undefined;
  /** Continues a `write()` or `end()` that was called before the tunnel was open. */
  #onConnected: (() => void) | undefined;
  #onDrained: (() => void) | undefined;
  #onClosed: (() => void) | undefined;

  constructor() {
    // With a high-water mark of one byte, `_read` is called when all bytes are read: only then is a failure reported.
    super({ allowHalfOpen: false, readableHighWaterMark: 1, writableHighWaterMark: MAX_FRAME });
  }

  /** The error for an end that is not orderly. */
  protected abstract failureOf(code: number, reason: string): Error;

  /**
   * Begins to read and write, after the opening handshake; `head` is the bytes after the handshake. `announce` is called before any
   * bytes are pushed, and may write to the stream or destroy it.
   */
  protected begin(
    socket: Duplex,
    head: Buffer,
    settings: Omit<StreamSettings, 'role' | 'frameType'>,
    announce?: () => void,
  ): void {
    if (this.#isGone()) {
      socket.destroy();
      return;
    }
    const stream = new WebSocketStream(
      socket,
      { role: 'client', frameType: 'binary', ...settings },
      {
        payload: (bytes) => {
          this.bytesRead += bytes.length;
          if (!this.push(bytes)) stream.pause();
        },
        drain: () => this.#drained(),
        closing: (ending) => this.#closing(ending),
        ended: (ending) => this.#ended(ending),
        closed: (ending) => this.#closed(ending),
      },
    );
    announce?.();
    if (this.#isGone()) {
      socket.destroy();
      return;
    }
    this.#stream = stream;
    stream.start(head);
    this.#onConnected?.();
  }

  override _read(): void {
    this.#stream?.resume();
    // On the next tick: the caller of `_read` has the last chunk only after this call.
    if (this.#failure) process.nextTick(() => this.#fail());
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#whenConnected(() => this.#send(chunk, 0, done));
  }

  /** Queued small writes are sent together. */
  override _writev(chunks: readonly { chunk: Buffer }[], done: Done): void {
    this.#whenConnected(() => this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), 0, done));
  }

  override _final(done: Done): void {
    this.#whenConnected(() => {
      this.#stream?.close(endingOf('backend-ended', ''));
      done();
    });
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#onConnected = this.#onDrained = undefined;
    const stream = this.#stream;
    if (!stream || this.#isClosed) {
      done(error);
      return;
    }
    this.#onClosed = () => done(error);
    // After an orderly end, the server has `closeTimeout` to end the connection.
    if (error || !this.readableEnded || !this.writableFinished)
      stream.destroy(endingOf('destroyed', 'destroyed'));
  }

  #isGone(): boolean {
    return this.destroyed;
  }

  #whenConnected(act: () => void): void {
    if (this.#stream) act();
    else this.#onConnected = act;
  }

  /** Sends a chunk in pieces, so that a large write is not copied as a whole. The next piece is sent when the stream can accept it. */
  #send(chunk: Buffer, from: number, done: Done): void {
    let at = from;
    if (this.closeCode !== undefined) {
      this.bytesDropped += chunk.length - at;
      at = chunk.length;
    }
    while (at < chunk.length) {
      const piece = chunk.subarray(at, at + MAX_FRAME);
      at += piece.length;
      this.bytesWritten += piece.length;
      if (this.#stream?.send(piece) !== false) continue;
      this.#onDrained = () => this.#send(chunk, at, done);
      return;
    }
    done();
  }

  #drained(): void {
    const go = this.#onDrained;
    this.#onDrained = undefined;
    go?.();
  }

  #closing({ code, reason }: Ending): void {
    this.closeCode = code;
    this.closeReason = reason;
    // Nothing more is sent, but the callback of the current write must be called.
    this.#drained();
  }

  #ended({ code, reason }: Ending): void {
    if (this.destroyed) return;
    if (ORDERLY.includes(code)) this.push(null);
    else {
      this.#failure = this.failureOf(code, reason);
      if (this.readableLength === 0) this.#fail();
    }
  }

  #closed({ code, reason }: Ending): void {
    this.#isClosed = true;
    this.bytesDropped += this.#stream?.abandoned ?? 0;
    // Our Close did not arrive, or the server answered the Close with an error. After a failure, bytes received earlier may still
    // be unread.
    const isLost = code !== this.closeCode && (code === CLOSE.abnormal || !this.#failure);
    if (isLost && !this.destroyed) this.destroy(this.failureOf(code, reason));
    this.#onClosed?.();
  }

  #fail(): void {
    if (this.readableLength === 0) this.destroy(this.#failure);
    // A reader that asked for more bytes than are left gets the rest only after a push.
    else this.push(Buffer.alloc(0));
  }
}

import { addAbortSignal, Duplex } from 'node:stream';
import { CLOSE, ORDERLY } from '../frames/close-codes.js';
import { WebSocketStream, type CloseCause } from '../frames/websocket-stream.js';
import { ClientError } from './client-error.js';
import { openTunnel, type OpenedConnection } from './handshake/open-tunnel.js';
import { readConnect, type ConnectSettings } from './options.js';
import type { ConnectOptions } from './client-types.js';

/** The most that one frame carries: servers that assemble messages need not hold more. */
const MAX_FRAME = 65_536;

type Done = (error?: Error | null) => void;

/**
 * Opens a tunnel and gives its bytes as a Duplex, at once, as `net.connect` does: what is written before `connect` waits.
 *
 * Events: `connect` when the tunnel is open; `error` with a {@link ClientError} where it can't be opened or ends otherwise
 * than with Close 1000, after all bytes that came before have been read; `end`, `close` and the others as of any stream.
 *
 * A WebSocket has no half-close: `end()` sends a Close behind what was written; what the server sent before it saw the Close
 * is still read, what it would have said afterwards is not. What is written after the server's Close is dropped.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION, at once, for a wrong URL or option.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): ClientStream {
  return new ClientStream(readConnect(url, options));
}

/** The bytes of a tunnel, from {@link connect}. */
export class ClientStream extends Duplex {
  /** Until `connect`. */
  connecting = true;
  /** What the server has chosen of those offered, once connected. */
  subprotocol: string | undefined;
  /** Bytes of payload. */
  bytesRead = 0;
  bytesWritten = 0;
  /** Bytes that were written and not sent, because the tunnel was closed first. */
  bytesDropped = 0;
  /** The Close that came or was sent first, once there was one; 1006 where the connection was lost. */
  closeCode: number | undefined;
  closeReason = '';
  readonly #settings: ConnectSettings;
  readonly #attempt = new AbortController();
  #stream: WebSocketStream | undefined;
  #isClosed = false;
  #failure: ClientError | undefined;
  /** A write or an end that waits for the connection. */
  #whenOpen: (() => void) | undefined;
  #whenDrained: (() => void) | undefined;
  #whenClosed: (() => void) | undefined;

  /** @internal */
  constructor(settings: ConnectSettings) {
    // With a mark of one byte more is asked for only when nothing is left: a failure waits for that.
    super({ allowHalfOpen: false, readableHighWaterMark: 1, writableHighWaterMark: MAX_FRAME });
    this.#settings = settings;
    if (settings.signal) addAbortSignal(settings.signal, this);
    openTunnel(settings, this.#attempt.signal).then(
      // Not here: what a listener of `connect` throws would be a rejection.
      (opened) => process.nextTick(() => this.#begin(opened)),
      (error: unknown) => this.destroy(error as Error),
    );
  }

  #begin({ socket, head, subprotocol }: OpenedConnection): void {
    if (this.#isGone()) {
      socket.destroy();
      return;
    }
    const { pingInterval, pongTimeout, closeTimeout, drainTimeout, buffered } = this.#settings;
    const stream = new WebSocketStream(
      socket,
      {
        ...{ role: 'client', frameType: 'binary', buffered },
        ...{ pingInterval, pongTimeout, closeTimeout, drainTimeout },
      },
      {
        payload: (bytes) => {
          this.bytesRead += bytes.length;
          if (!this.push(bytes)) stream.pause();
        },
        drain: () => this.#drained(),
        closing: (cause) => this.#closing(cause),
        ended: (cause) => this.#ended(cause),
        closed: (cause) => this.#closed(cause),
      },
    );
    this.connecting = false;
    this.subprotocol = subprotocol;
    // Before any byte. A listener may write, or destroy it.
    this.emit('connect');
    if (this.#isGone()) {
      socket.destroy();
      return;
    }
    this.#stream = stream;
    stream.start(head);
    this.#whenOpen?.();
  }

  override _read(): void {
    this.#stream?.resume();
    // Behind the last chunk, which is being read right now.
    if (this.#failure) process.nextTick(() => this.#fail());
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#opened(() => this.#send(chunk, 0, done));
  }

  /** Small writes that have piled up go out as one frame. */
  override _writev(chunks: readonly { chunk: Buffer }[], done: Done): void {
    this.#opened(() => this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), 0, done));
  }

  override _final(done: Done): void {
    this.#opened(() => {
      this.#stream?.close(1000, '');
      done();
    });
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#attempt.abort();
    this.#whenOpen = this.#whenDrained = undefined;
    const stream = this.#stream;
    if (!stream || this.#isClosed) {
      done(error);
      return;
    }
    this.#whenClosed = () => done(error);
    // After an orderly end the server may finish the connection, within closeTimeout.
    if (error || !this.readableEnded || !this.writableFinished) stream.destroy(1006, 'destroyed');
  }

  #isGone(): boolean {
    return this.destroyed;
  }

  #opened(act: () => void): void {
    if (this.#stream) act();
    else this.#whenOpen = act;
  }

  /** In pieces, each as soon as the one before has gone: large writes cost no second copy of themselves. */
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
      this.#whenDrained = () => this.#send(chunk, at, done);
      return;
    }
    done();
  }

  #drained(): void {
    const go = this.#whenDrained;
    this.#whenDrained = undefined;
    go?.();
  }

  #closing({ code, reason }: CloseCause): void {
    this.closeCode = code;
    this.closeReason = reason;
    // What still waits is dropped, and nobody must wait for it.
    this.#drained();
  }

  #ended({ code, reason }: CloseCause): void {
    if (this.destroyed) return;
    if (ORDERLY.includes(code)) this.push(null);
    else {
      this.#failure = closedError(code, reason);
      if (this.readableLength === 0) this.#fail();
    }
  }

  #closed({ code, reason }: CloseCause): void {
    this.#isClosed = true;
    this.bytesDropped += this.#stream?.abandoned ?? 0;
    // Our own Close did not arrive, or was answered by an error: then bytes that came before may still have to be read.
    const isLost = code !== this.closeCode && (code === CLOSE.abnormal || !this.#failure);
    if (isLost && !this.destroyed) this.destroy(closedError(code, reason));
    this.#whenClosed?.();
  }

  #fail(): void {
    if (this.readableLength === 0) this.destroy(this.#failure);
    // It was asked for more than there is: what there is will be asked for again.
    else this.push(Buffer.alloc(0));
  }
}

export function closedError(closeCode: number, reason: string): ClientError {
  const why = reason === '' ? '' : `: ${reason}`;
  return new ClientError('WSTUNNEL_CLOSED', `the tunnel was closed with ${closeCode}${why}`, {
    closeCode,
    reason,
  });
}

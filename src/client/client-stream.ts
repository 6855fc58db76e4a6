import { addAbortSignal } from 'node:stream';
import { PayloadStream } from '../frames/payload-stream.js';
import { ClientError } from './client-error.js';
import { openWebSocket, type OpenedConnection } from './handshake/open-websocket.js';
import { readConnect, type ConnectSettings } from './options.js';
import type { ConnectOptions } from './client-types.js';

type Done = (error?: Error | null) => void;

/**
 * Opens a tunnel and returns its bytes as a Duplex, at once, like `net.connect`: bytes written before `connect` are queued.
 *
 * Events: `connect` when the tunnel is open; `error` with a {@link ClientError} when the tunnel can't be opened, or ends without a
 * Close 1000, after all bytes received before have been read; `end`, `close` and the other events of a stream.
 *
 * A WebSocket has no half-close: `end()` sends a Close after the written bytes. Bytes that the server sent before it received the
 * Close are still read; afterwards the server can send no bytes. Bytes written after the server's Close are dropped.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION, at once, for a wrong URL or option.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): ClientStream {
  return new ClientStream(readConnect(url, options));
}

/** The bytes of a tunnel, from {@link connect}. */
export class ClientStream extends PayloadStream {
  /** True until `connect`. */
  connecting = true;
  /** The subprotocol that the server chose, once connected. */
  subprotocol: string | undefined;
  readonly #settings: ConnectSettings;
  readonly #attempt = new AbortController();

  /** @internal */
  constructor(settings: ConnectSettings) {
    super();
    this.#settings = settings;
    if (settings.signal) addAbortSignal(settings.signal, this);
    openWebSocket(settings, this.#attempt.signal).then(
      // Not inside the promise: an exception of a `connect` listener must not become a rejection.
      (opened) => process.nextTick(() => this.#open(opened)),
      (error: unknown) => this.destroy(error as Error),
    );
  }

  #open({ socket, head, subprotocol }: OpenedConnection): void {
    const { pingInterval, pongTimeout, closeTimeout, drainTimeout, buffered } = this.#settings;
    const settings = { pingInterval, pongTimeout, closeTimeout, drainTimeout, buffered };
    this.begin(socket, head, settings, () => {
      this.connecting = false;
      this.subprotocol = subprotocol;
      this.emit('connect');
    });
  }

  protected override failureOf(code: number, reason: string): ClientError {
    return closedError(code, reason);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#attempt.abort();
    super._destroy(error, done);
  }
}

function closedError(closeCode: number, reason: string): ClientError {
  const why = reason === '' ? '' : `: ${reason}`;
  return new ClientError('WSTUNNEL_CLOSED', `the tunnel was closed with ${closeCode}${why}`, {
    closeCode,
    reason,
  });
}

import { EventEmitter } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ignoreErrors } from '../streams/ignore-errors.js';
import { within } from '../helpers/within.js';
import type { ClientError } from './client-error.js';
import { startListening, readLocalAddress } from './local/local-server.js';
import { LocalConnection } from './local/local-connection.js';
import { readListen, type ListenSettings } from './options.js';
import type {
  ListenerStats,
  ListenOptions,
  LocalAddress,
  LocalTunnel,
  LocalTunnelEnd,
} from './client-types.js';

/** The events of a {@link Listener}. Their handlers must not throw. */
export interface ListenerEvents {
  /** A tunnel is open. */
  open: [tunnel: LocalTunnel];
  /** A tunnel has ended. */
  close: [tunnel: LocalTunnelEnd];
  /** A local connection got no tunnel and was reset; or a connection could not be accepted. */
  fail: [error: Error];
  /** An attempt failed; the next one follows after `seconds`. */
  retry: [error: ClientError, seconds: number];
}

/**
 * Listens on a local TCP port (on 127.0.0.1 unless `local` has an address) or a unix socket (for its owner alone), and opens a
 * tunnel for each connection. While the server can't be reached, attempts are repeated for up to `retryFor` seconds.
 *
 * Every program that can connect to the local port uses the credentials in the options.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option; or the error of `net.Server.listen` (EADDRINUSE, EACCES ...).
 */
export async function listen(
  local: LocalAddress,
  url: string | URL,
  options: ListenOptions = {},
): Promise<Listener> {
  const settings = readListen(url, options);
  const where = readLocalAddress(local);
  settings.signal?.throwIfAborted();
  // A program that has ended its side may still wait for the answer.
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  return new Listener(server, await startListening(server, where), settings);
}

/** A local port with its tunnels, from {@link listen}. */
export class Listener extends EventEmitter<ListenerEvents> {
  /** As from `net.Server.address()`: for a unix socket, the path. */
  readonly address: AddressInfo | string;
  readonly #server: Server;
  readonly #settings: ListenSettings;
  readonly #connections = new Set<LocalConnection>();
  readonly #ending = new AbortController();
  #lastId = 0;
  #opened = 0;
  #failed = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  /** @internal */
  constructor(server: Server, address: AddressInfo | string, settings: ListenSettings) {
    super();
    this.address = address;
    this.#server = server;
    this.#settings = settings;
    server.on('connection', this.#serve);
    server.on('error', (error) => this.#fail(error));
    settings.signal?.addEventListener('abort', this.#onAbort);
    if (settings.signal?.aborted) this.#onAbort();
  }

  /** Counts of tunnels and bytes. */
  stats(): ListenerStats {
    const connections = [...this.#connections];
    const sum = (one: (connection: LocalConnection) => number) =>
      connections.reduce((total, each) => total + one(each), 0);
    return {
      open: connections.filter((connection) => connection.isOpen).length,
      opened: this.#opened,
      failed: this.#failed,
      bytesIn: this.#bytesIn + sum(({ bytesIn }) => bytesIn),
      bytesOut: this.#bytesOut + sum(({ bytesOut }) => bytesOut),
    };
  }

  /**
   * Accepts no more connections. Connections that are already accepted have `grace` seconds (default 0) to end by themselves. Then
   * pending attempts are aborted, open tunnels get Close 1001, and tunnels left after `timeout` seconds (default 10) are destroyed.
   * Resolves when all sockets are freed.
   */
  async close({ grace = 0, timeout = 10 }: { grace?: number; timeout?: number } = {}): Promise<void> {
    if (grace > 0) await this.#letEnd(grace);
    this.#settings.signal?.removeEventListener('abort', this.#onAbort);
    this.#ending.abort(new Error('the listener was closed'));
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.close();
    const ended = Promise.all([...this.#connections].map(({ ended }) => ended));
    if (!(await within(timeout, ended))) for (const connection of this.#connections) connection.destroy();
    await ended;
    await closed;
  }

  async #letEnd(grace: number): Promise<void> {
    // Connections may still be in the kernel's accept queue, and closing the server would reset them. One event-loop turn accepts
    // all of them; two turns are needed, since the current turn may be past its poll phase.
    await nextTurn();
    await nextTurn();
    this.#server.close();
    await within(grace, Promise.all([...this.#connections].map(({ ended }) => ended)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #onAbort = (): void => {
    void this.close({ timeout: 0 });
  };

  readonly #serve = (socket: Socket): void => {
    ignoreErrors(socket);
    const { maxTunnels } = this.#settings;
    if (maxTunnels > 0 && this.#connections.size >= maxTunnels) {
      socket.resetAndDestroy();
      this.#fail(new Error(`the limit of ${maxTunnels} tunnels is reached`));
      return;
    }
    const connection = new LocalConnection(++this.#lastId, socket, this.#settings, this.#ending.signal, {
      open: () => {
        this.#opened++;
        this.emit('open', connection.info());
      },
      retry: (error, seconds) => this.emit('retry', error, seconds),
      fail: (error) => {
        this.#connections.delete(connection);
        this.#fail(error);
      },
      close: ({ code, reason }, duration) => {
        this.#connections.delete(connection);
        this.#bytesIn += connection.bytesIn;
        this.#bytesOut += connection.bytesOut;
        this.emit('close', { ...connection.info(), code, reason, duration });
      },
    });
    this.#connections.add(connection);
    connection.start();
  };

  #fail(error: Error): void {
    this.#failed++;
    this.emit('fail', error);
  }
}

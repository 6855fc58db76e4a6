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

/** What a {@link Listener} tells. Listeners must not throw. */
export interface ListenerEvents {
  /** A tunnel is open. */
  open: [tunnel: LocalTunnel];
  /** It has ended. */
  close: [tunnel: LocalTunnelEnd];
  /** A local connection got none, and was reset; or one could not be accepted. */
  fail: [error: Error];
  /** An attempt failed; the next one follows in so many seconds. */
  retry: [error: ClientError, seconds: number];
}

/**
 * Listens on a local TCP port (of 127.0.0.1 unless `local` names an address) or a unix socket (for its owner alone), and gives
 * each connection a tunnel of its own. While the server can't be reached, a connection waits up to `retryFor`.
 *
 * Whoever can connect there uses the credentials given here.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for a wrong option; what `net.Server.listen` fails with (EADDRINUSE, EACCES ...).
 */
export async function listen(
  local: LocalAddress,
  url: string | URL,
  options: ListenOptions = {},
): Promise<Listener> {
  const settings = readListen(url, options);
  const where = readLocalAddress(local);
  settings.signal?.throwIfAborted();
  // Who ends his side may still want the answer.
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  return new Listener(server, await startListening(server, where), settings);
}

/** A local port, from {@link listen}. */
export class Listener extends EventEmitter<ListenerEvents> {
  /** As `net.Server.address()` has it: of a unix socket its path. */
  readonly address: AddressInfo | string;
  readonly #server: Server;
  readonly #settings: ListenSettings;
  readonly #forwards = new Set<LocalConnection>();
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

  /** Tunnels that are open now and were since, and their bytes. */
  stats(): ListenerStats {
    const forwards = [...this.#forwards];
    const sum = (one: (forward: LocalConnection) => number) =>
      forwards.reduce((total, each) => total + one(each), 0);
    return {
      open: forwards.filter((forward) => forward.isOpen).length,
      opened: this.#opened,
      failed: this.#failed,
      bytesIn: this.#bytesIn + sum(({ bytesIn }) => bytesIn),
      bytesOut: this.#bytesOut + sum(({ bytesOut }) => bytesOut),
    };
  }

  /**
   * Accepts no more connections. Those that were accepted have `grace` seconds (0) to end by themselves; then attempts under way are
   * given up, open tunnels get Close 1001, and what is left after `timeout` seconds (10) is destroyed. Resolves when all is freed.
   */
  async close({ grace = 0, timeout = 10 }: { grace?: number; timeout?: number } = {}): Promise<void> {
    if (grace > 0) await this.#letEnd(grace);
    this.#settings.signal?.removeEventListener('abort', this.#onAbort);
    this.#ending.abort(new Error('the listener was closed'));
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const forward of this.#forwards) forward.close();
    const ended = Promise.all([...this.#forwards].map(({ ended }) => ended));
    if (!(await within(timeout, ended))) for (const forward of this.#forwards) forward.destroy();
    await ended;
    await closed;
  }

  async #letEnd(grace: number): Promise<void> {
    // Connections of programs that have ended may still be in the kernel's queue, and closing would reset them. A turn of the event
    // loop accepts them all; the one that has begun may be past that.
    await nextTurn();
    await nextTurn();
    this.#server.close();
    await within(grace, Promise.all([...this.#forwards].map(({ ended }) => ended)));
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
    if (maxTunnels > 0 && this.#forwards.size >= maxTunnels) {
      socket.resetAndDestroy();
      this.#fail(new Error(`there are ${maxTunnels} tunnels already`));
      return;
    }
    const forward = new LocalConnection(++this.#lastId, socket, this.#settings, this.#ending.signal, {
      open: () => {
        this.#opened++;
        this.emit('open', forward.info());
      },
      retry: (error, seconds) => this.emit('retry', error, seconds),
      fail: (error) => {
        this.#forwards.delete(forward);
        this.#fail(error);
      },
      close: (cause, duration) => {
        this.#forwards.delete(forward);
        this.#bytesIn += forward.bytesIn;
        this.#bytesOut += forward.bytesOut;
        this.emit('close', { ...forward.info(), ...cause, duration });
      },
    });
    this.#forwards.add(forward);
    forward.start();
  };

  #fail(error: Error): void {
    this.#failed++;
    this.emit('fail', error);
  }
}

import { createServer as createHttp, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { bindError } from '../../../sockets/bind-error.js';
import { listenPathFault, PORTABLE_SOCKET_PATH } from '../../../sockets/socket-path.js';
import { listenAtPath } from '../../../sockets/stale-socket.js';
import { untilListening } from '../../../sockets/until-listening.js';
import { shownAddress, type BindAddress } from '../../command-line/bind-and-target.js';
import { CommandError, EXIT } from '../../exit.js';
import { listenOnHandle } from '../../../internals/listen-handles.js';
import { reasonOf } from '../../files.js';
import { requirePassedSocket } from './passed-socket.js';
import type { Certificate } from './certificate.js';
import { defaultMaxConnections } from './connection-limit.js';
import { ConnectionFilter } from './connection-filter.js';
import { PlainHttp } from './plain-http.js';
import type { Plan, UnixAccess } from '../plan.js';
import { proxyPeers } from './trusted-proxies.js';
import { listenWithAccess } from './unix-access.js';

/** The settings of the plan that can't change after the start. */
type ServerSettings = Pick<
  Plan,
  'listen' | 'unix' | 'maxConnections' | 'acceptProxy' | 'trustProxy' | 'sslOnly'
>;

/** Time limit of a TLS handshake, in ms: Node's limit for request headers, since Node's default for TLS is two minutes. */
const TLS_TIMEOUT = 60_000;

/** The http or https servers of one command, one for each address. */
export class Servers {
  readonly all: readonly (Server | HttpsServer)[];
  readonly #addresses: readonly BindAddress[];
  readonly #unix: UnixAccess;
  readonly #isTls: boolean;

  constructor(
    { listen, unix = {}, maxConnections, acceptProxy, trustProxy, sslOnly }: ServerSettings,
    certificate: Certificate | undefined,
    listener: RequestListener,
    warn: (line: string) => void,
  ) {
    this.#addresses = listen;
    this.#unix = unix;
    this.#isTls = certificate !== undefined;
    const tls = certificate && { ...certificate, handshakeTimeout: TLS_TIMEOUT };
    this.all = listen.map(() => (tls ? createHttps(tls, listener) : createHttp(listener)));
    const filter = new ConnectionFilter({
      maxConnections: maxConnections ?? defaultMaxConnections(),
      ...(acceptProxy && { isProxy: proxyPeers(trustProxy) }),
      ...(certificate && !sslOnly && { plainHttp: new PlainHttp() }),
      warn,
    });
    for (const server of this.all) filter.attach(server);
  }

  /** `handles`: the sockets of a worker. @throws {CommandError} if a server can't listen; the caller then calls `end()` */
  async listen(handles?: readonly unknown[]): Promise<void> {
    for (const [index, server] of this.all.entries()) {
      const address = this.#addresses[index];
      if (handles) await untilListening(server, () => listenOnHandle(server, handles[index]));
      else if (address) await listenOn(server, address, this.#unix);
    }
    // An accept can fail (no descriptors left). Without an `error` listener, the event would end the process.
    for (const server of this.all) server.on('error', () => undefined);
  }

  /** The addresses; for a passed descriptor, its socket's address. */
  addresses(): BindAddress[] {
    return this.#addresses.map((given, index) => {
      if (given.fd === undefined) return given;
      const address = this.all[index]?.address();
      if (typeof address === 'object' && address) return { host: address.address, port: address.port };
      return { socket: shownAddress(given) };
    });
  }

  /** The URL of each server, or the path of its unix socket. */
  urls(): string[] {
    return this.all.map((server, index) => {
      const address = server.address();
      // Node does not know the path of a passed unix socket.
      if (!address) return shownAddress(this.#addresses[index] ?? {});
      if (typeof address === 'string') return shownAddress({ socket: address });
      const { address: host, port } = address satisfies AddressInfo;
      return `${this.#isTls ? 'https' : 'http'}://${shownAddress({ host, port })}/`;
    });
  }

  /** Uses the certificate for new connections. */
  renew(certificate: Certificate): void {
    for (const server of this.all) if ('setSecureContext' in server) server.setSecureContext(certificate);
  }

  /** Session tickets that every worker accepts. */
  shareTickets(keys: Buffer): void {
    for (const server of this.all) if ('setTicketKeys' in server) server.setTicketKeys(keys);
  }

  /** Stops listening; resolves once every answer is sent and every tunnel has ended. */
  async stop(): Promise<void> {
    const closeIdle = () => {
      for (const server of this.all) server.closeIdleConnections();
    };
    // Repeatedly, since a connection may become idle later.
    const timer = setInterval(closeIdle, 50);
    closeIdle();
    await Promise.all(this.all.map((server) => new Promise((resolve) => server.close(resolve))));
    clearInterval(timer);
  }

  end(): void {
    for (const server of this.all) {
      if (server.listening) server.close();
      server.closeAllConnections();
    }
  }
}

async function listenOn(server: Server, address: BindAddress, unix: UnixAccess): Promise<void> {
  const { socket: path, fd, host, port, ipv6Only = false } = address;
  const listen = () =>
    untilListening(server, () => {
      if (fd !== undefined) {
        requirePassedSocket(fd, process.env);
        server.listen({ fd });
      } else if (path === undefined) server.listen({ port, host, ipv6Only });
      else listenWithAccess(server, path, unix);
    });
  try {
    if (path === undefined) await listen();
    else {
      const fault = listenPathFault(path, PORTABLE_SOCKET_PATH);
      if (fault !== undefined) throw new Error(fault);
      await listenAtPath(path, listen);
    }
  } catch (error) {
    throw listenFailure(address, error);
  }
}

/** The error of a failed listen, in plain words. */
export function listenFailure(address: BindAddress, thrown: unknown): CommandError {
  const error = address.socket === undefined ? thrown : bindError(thrown, address.socket);
  const { code } = error as NodeJS.ErrnoException;
  const isNoListener = code === 'EINVAL' && address.fd !== undefined;
  const isLowPort = code === 'EACCES' && address.port !== undefined && address.port < 1024;
  const hint =
    code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND'
      ? '; the first of two arguments is the listen address'
      : isLowPort
        ? '; ports below 1024 need root'
        : '';
  const message = `can't listen on ${shownAddress(address)}: ${isNoListener ? 'the socket is connected, or is not a stream socket' : reasonOf(error)}${hint}`;
  return new CommandError(EXIT.listen, message, { cause: error });
}

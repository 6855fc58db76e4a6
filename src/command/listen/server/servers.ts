import { createServer as createHttp, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { untilListening } from '../../../sockets/until-listening.js';
import { shownAddress, type BindAddress } from '../../command-line/bind-and-target.js';
import { listenOnHandle } from '../../../internals/listen-handles.js';
import type { Certificate } from './certificate.js';
import { defaultMaxConnections } from './connection-limit.js';
import { ConnectionFilter } from './connection-filter.js';
import { listenOn } from './listen-on.js';
import { PlainHttp } from './plain-http.js';
import type { Plan, UnixAccess } from '../plan.js';
import { proxyPeers } from './trusted-proxies.js';

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

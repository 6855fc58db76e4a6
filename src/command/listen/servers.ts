import { lstatSync, rmSync } from 'node:fs';
import { createServer as createHttp, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { shownAddress, type ListenAddress } from '../address.js';
import { CommandError, EXIT } from '../exit.js';
import { reasonOf } from '../files.js';
import type { Certificate } from './certificate.js';
import { defaultMaxConnections } from './descriptors.js';
import { Door } from './door.js';
import { PlainHttp } from './plain-http.js';
import type { Plan } from './plan.js';
import { proxyPeers } from './trust.js';

/** What of the plan is settled with the servers. */
type Listening = Pick<Plan, 'listen' | 'maxConnections' | 'acceptProxy' | 'trustProxy' | 'sslOnly'>;

/** In ms, as Node's own deadline for a request's headers; Node gives TLS two minutes. */
const TLS_TIMEOUT = 60_000;

/** The http or https servers of one command, one for each address. */
export class Servers {
  readonly all: readonly (Server | HttpsServer)[];
  readonly #addresses: readonly ListenAddress[];
  readonly #isTls: boolean;

  constructor(
    { listen, maxConnections, acceptProxy, trustProxy, sslOnly }: Listening,
    certificate: Certificate | undefined,
    listener: RequestListener,
    warn: (line: string) => void,
  ) {
    this.#addresses = listen;
    this.#isTls = certificate !== undefined;
    const tls = certificate && { ...certificate, handshakeTimeout: TLS_TIMEOUT };
    this.all = listen.map(() => (tls ? createHttps(tls, listener) : createHttp(listener)));
    const door = new Door({
      maxConnections: maxConnections ?? defaultMaxConnections(),
      ...(acceptProxy && { isProxy: proxyPeers(trustProxy) }),
      ...(certificate && !sslOnly && { plainHttp: new PlainHttp() }),
      warn,
    });
    for (const server of this.all) door.guard(server);
  }

  /** @throws {CommandError} where one can't; the others are `end()`'s to close. */
  async listen(): Promise<void> {
    for (const [index, server] of this.all.entries()) {
      const address = this.#addresses[index];
      if (address) await listenOn(server, address);
    }
    // One that fails to accept (no descriptors left) goes on; without a listener it would end the process.
    for (const server of this.all) server.on('error', () => undefined);
  }

  /** As a browser takes it, or as the path of a socket. */
  urls(): string[] {
    return this.all.map((server) => {
      const address = server.address();
      if (typeof address === 'string' || !address) return shownAddress({ socket: address ?? '' });
      const { address: host, port } = address satisfies AddressInfo;
      return `${this.#isTls ? 'https' : 'http'}://${shownAddress({ host, port })}/`;
    });
  }

  /** New connections get this certificate. */
  renew(certificate: Certificate): void {
    for (const server of this.all) if ('setSecureContext' in server) server.setSecureContext(certificate);
  }

  /** No new connections; resolves once the last answer is sent, and every tunnel over. */
  async stop(): Promise<void> {
    const closeIdle = () => {
      for (const server of this.all) server.closeIdleConnections();
    };
    // A connection may become idle later on.
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

/** Of a unix socket, in bytes (`sun_path` without its end, as macOS has it). Node 20 cuts a longer one, and listens elsewhere. */
const MAX_PATH = 103;

async function listenOn(server: Server, address: ListenAddress, isRetry = false): Promise<void> {
  const { socket: path, host, port } = address;
  if (path !== undefined && Buffer.byteLength(path) > MAX_PATH)
    throw failureOf(address, new Error(`the path of a socket has ${MAX_PATH} bytes at most`));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path === undefined ? { port, host } : { path }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    if (path === undefined || !isTaken || isRetry || !(await isStale(path))) throw failureOf(address, error);
    rmSync(path, { force: true });
    await listenOn(server, address, true);
  }
}

/** A socket that nobody listens to any more: left by a program that was killed. */
async function isStale(path: string): Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

function failureOf(address: ListenAddress, error: unknown): CommandError {
  const { code } = error as NodeJS.ErrnoException;
  const isLowPort = code === 'EACCES' && address.port !== undefined && address.port < 1024;
  const hint =
    code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND'
      ? '; of two arguments the first is where to listen'
      : isLowPort
        ? '; ports below 1024 are for root'
        : '';
  const message = `can't listen on ${shownAddress(address)}: ${reasonOf(error)}${hint}`;
  return new CommandError(EXIT.listen, message, { cause: error });
}

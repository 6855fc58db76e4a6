import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { connectionBelow } from '../../../internals/node-net.js';
import type { ClientEnds } from '../../../backends/proxy-header.js';
import type { PlainHttp } from './plain-http.js';
import { MAX_HEADER, readProxyHeader } from '../../../backends/proxy-header-reader.js';

/**
 * Time limit for a proxy to send its header, in ms. The specification requires at least three seconds, enough to resend a lost segment
 * (section 2).
 */
const HEADER_DEADLINE = 5000;
/** Pause between two warnings of the same kind, in ms. */
const WARNING_PAUSE = 60_000;

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

export interface ConnectionFilterOptions {
  /** Most open connections, for all servers together. */
  readonly maxConnections: number;
  /** With `--accept-proxy`: may this peer send a PROXY header? The peer of a unix socket has no address. */
  readonly isProxy?: (address: string | undefined) => boolean;
  /** For https servers: handles plain http connections. Without it, such connections end with a TLS error. */
  readonly plainHttp?: PlainHttp;
  readonly warn: (line: string) => void;
}

/**
 * Filters connections between `accept` and TLS or HTTP: the connection limit, the PROXY header, and plain http on https ports.  The
 * filter replaces the server's `emit`, since Node's `connection` listener would read from the socket at once.
 */
export class ConnectionFilter {
  readonly #options: ConnectionFilterOptions;
  /** The addresses from the PROXY header, to be copied to the TLS socket. */
  readonly #clients = new WeakMap<Socket, ClientEnds>();
  /** The time of the last warning of each kind. */
  readonly #warnedAt = new Map<string, number>();
  #open = 0;

  constructor(options: ConnectionFilterOptions) {
    this.#options = options;
  }

  attach(server: Server): void {
    const emit = server.emit.bind(server) as Emit;
    server.emit = ((event, ...args) => {
      const [socket] = args;
      if (event === 'connection') {
        const pass = () => emit(event, ...args);
        const { plainHttp } = this.#options;
        this.#enter(server, socket as Socket, () => {
          if (plainHttp) plainHttp.sort(socket as Socket, pass);
          else pass();
        });
      } else if (event === 'secureConnection') this.#secured(socket as TLSSocket, () => emit(event, ...args));
      else return emit(event, ...args);
      return true;
    }) as Emit as Server['emit'];
  }

  #enter(server: Server, socket: Socket, pass: () => void): void {
    const { maxConnections, isProxy } = this.#options;
    if (this.#open >= maxConnections) {
      this.#warn(
        'full',
        `${maxConnections} connections are open, further ones are refused: see --max-connections`,
      );
      socket.destroy();
      return;
    }
    this.#open++;
    socket.once('close', () => this.#open--);
    // Node knows no address for a passed unix socket.
    const isUnix = typeof (server.address() ?? '') === 'string';
    // Node caches the address at the first read. A client that has already left has no address, and must not be mistaken for the
    // peer of a unix socket.
    if (socket.remoteAddress === undefined && !isUnix) socket.destroy();
    else if (!isProxy) pass();
    else if (isProxy(socket.remoteAddress)) this.#readHeader(socket, pass);
    else this.#refuse(socket, '--trust-proxy does not list it');
  }

  /** Sets the client's addresses on a TLS socket, which would otherwise ask the kernel again. */
  #secured(tls: TLSSocket, pass: () => void): void {
    const raw = connectionBelow(tls);
    const ends = raw && this.#clients.get(raw);
    if (ends) setClient(tls, ends);
    // Node no longer names the connection below TLS, so the client's address is unknown: close, since the proxy's address must not
    // be used instead.
    else if (this.#options.isProxy && !raw) tls.destroy();
    else if (tls.remoteAddress === undefined && raw?.remoteAddress !== undefined) tls.destroy();
    if (!tls.destroyed) pass();
  }

  #readHeader(socket: Socket, pass: () => void): void {
    let bytes: Buffer = Buffer.alloc(0);
    const deadline = setTimeout(() => fail(), HEADER_DEADLINE);
    const stop = () => {
      clearTimeout(deadline);
      socket.off('readable', onReadable);
      socket.off('error', stop);
      socket.off('end', fail);
      socket.off('close', stop);
    };
    const fail = () => {
      stop();
      this.#refuse(socket, 'it sent no valid PROXY header');
    };
    const onReadable = () => {
      for (let chunk: unknown = socket.read(); chunk !== null; chunk = socket.read())
        bytes = Buffer.concat([bytes, chunk as Buffer]);
      const result = readProxyHeader(bytes);
      if (result.kind === 'more' && bytes.length < MAX_HEADER) return;
      if (result.kind !== 'header') {
        fail();
        return;
      }
      stop();
      const rest = bytes.subarray(result.length);
      if (rest.length > 0) socket.unshift(rest);
      if (result.ends) {
        this.#clients.set(socket, result.ends);
        setClient(socket, result.ends);
      }
      this.#passLater(socket, pass);
    };
    socket.on('readable', onReadable);
    socket.on('error', stop);
    socket.on('end', fail);
    socket.on('close', stop);
  }

  /** The stream flows again only after a later turn, in which the stream notices that its `readable` listener is gone. */
  #passLater(socket: Socket, pass: () => void): void {
    const ignore = () => undefined;
    socket.on('error', ignore);
    setImmediate(() => {
      socket.off('error', ignore);
      if (!socket.destroyed) pass();
    });
  }

  #refuse(socket: Socket, why: string): void {
    this.#warn('refused', `a connection of ${socket.remoteAddress ?? 'a local peer'} was closed: ${why}`);
    socket.on('error', () => undefined).destroy();
  }

  #warn(kind: 'full' | 'refused', line: string): void {
    const now = performance.now();
    if (now - (this.#warnedAt.get(kind) ?? -Infinity) < WARNING_PAUSE) return;
    this.#warnedAt.set(kind, now);
    this.#options.warn(line);
  }
}

/** Overrides the socket's addresses, so that the app, limits, logs and the backend's PROXY header use the client's address. */
function setClient(socket: Socket, { address, port, localAddress, localPort }: ClientEnds): void {
  const family = address.includes(':') ? 'IPv6' : 'IPv4';
  const ends = { remoteAddress: address, remotePort: port, remoteFamily: family, localAddress, localPort };
  for (const [name, value] of Object.entries(ends))
    Object.defineProperty(socket, name, { value, configurable: true, enumerable: true });
}

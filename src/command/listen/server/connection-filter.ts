import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ClientEnds } from '../../../backends/proxy-header.js';
import type { PlainHttp } from './plain-http.js';
import { MAX_HEADER, readProxyHeader } from '../../../backends/proxy-header-reader.js';

/**
 * What a proxy has to send its header, in ms. The specification asks for three seconds at least, in which a lost segment is sent
 * again (section 2).
 */
const HEADER_DEADLINE = 5000;
/** One warning of a kind for all connections that were closed in this time, in ms. */
const WARNING_PAUSE = 60_000;

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

export interface ConnectionFilterOptions {
  /** Most connections of all servers together. */
  readonly maxConnections: number;
  /** With `--accept-proxy`: may this peer send a PROXY header? The peer of a unix socket has no address. */
  readonly isProxy?: (address: string | undefined) => boolean;
  /** For servers of https: what becomes of plain http. Without it the TLS error ends the connection. */
  readonly plainHttp?: PlainHttp;
  readonly warn: (line: string) => void;
}

/**
 * What happens to a connection between `accept` and TLS or HTTP: the cap of connections, and the PROXY header.
 *
 * In the server's `emit`, as Node's own listeners take the socket at once and can't be made to wait.
 */
export class ConnectionFilter {
  readonly #options: ConnectionFilterOptions;
  /** By the PROXY header; for TLS, which makes a socket of its own. */
  readonly #clients = new WeakMap<Socket, ClientEnds>();
  /** When each kind of warning was given last. */
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
    // Of a unix socket that was passed as a descriptor Node knows no address.
    const isUnix = typeof (server.address() ?? '') === 'string';
    // Node remembers the address from here on. A client that is gone has none, and would pass for a unix socket's.
    if (socket.remoteAddress === undefined && !isUnix) socket.destroy();
    else if (!isProxy) pass();
    else if (isProxy(socket.remoteAddress)) this.#readHeader(socket, pass);
    else this.#refuse(socket, '--trust-proxy does not list it');
  }

  /** The TLS socket asks the kernel anew who the peer is. */
  #secured(tls: TLSSocket & { _parent?: Socket }, pass: () => void): void {
    const { _parent: raw } = tls;
    const ends = raw && this.#clients.get(raw);
    if (ends) setClient(tls, ends);
    // Not found where Node's `_parent` is gone: then nobody may pass for the proxy.
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

  /** Once the stream has noticed that nobody listens to `readable` any more: until then it does not flow. */
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

/** Whoever asks the socket for its ends (the app, limits, logs, the backend's own PROXY header) sees the client's. */
function setClient(socket: Socket, { address, port, localAddress, localPort }: ClientEnds): void {
  const family = address.includes(':') ? 'IPv6' : 'IPv4';
  const ends = { remoteAddress: address, remotePort: port, remoteFamily: family, localAddress, localPort };
  for (const [name, value] of Object.entries(ends))
    Object.defineProperty(socket, name, { value, configurable: true, enumerable: true });
}

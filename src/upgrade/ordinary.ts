import { EventEmitter } from 'node:events';
import { Server, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { ignoreErrors } from '../helpers/ignore-errors.js';
import { whenAnswered } from './turn.js';

// With an `upgrade` listener on the server Node hands over every upgrade: h2c, TLS, a POST with `Upgrade: websocket`.
// Nobody meant to take those: they are parsed again as the ordinary requests that they are without such a listener.

const SETTINGS = [
  'timeout',
  'keepAliveTimeout',
  'headersTimeout',
  'requestTimeout',
  'maxHeadersCount',
  'maxRequestsPerSocket',
  'requireHostHeader',
  'joinDuplicateHeaders',
  'rejectNonStandardBodyWrites',
  'insecureHTTPParser',
  'maxHeaderSize',
  'httpAllowHalfOpen',
] as const;
// The classes and header rules that were given to createServer.
// The connections are those that the server's own timeouts and closeAllConnections() look after.
const PRIVATE_SETTINGS = ['IncomingMessage', 'ServerResponse', 'kUniqueHeaders', 'http.server.connections'];

const plainServers = new WeakMap<Server, Server>();

/** Gives the request back to Node, which treats it as if nobody listened for upgrades. */
export function handleAsOrdinary(server: Server, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  ignoreErrors(socket);
  whenAnswered(socket, () => parseAgain(server, req, socket, head));
}

/** The parser is gone: gives a new one the request, as it came. */
function parseAgain(server: Server, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.unshift(Buffer.concat([Buffer.from(headerOf(req), 'latin1'), head]));
  const plain = forOneConnection(server, plainServerOf(server));
  // Its own `emit` passes everything on to the real server.
  EventEmitter.prototype.emit.call(plain, 'connection', socket);
  (socket as Duplex & { server?: Server }).server = server;
}

/** Only the request that is given back is none: those behind it on the connection may be upgrades as any other. */
function forOneConnection(server: Server, plain: Server): Server {
  let isFirst = true;
  const listenerCount: Server['listenerCount'] = (event, ...rest) => {
    if (event !== 'upgrade' || !isFirst) return server.listenerCount(event, ...rest);
    isFirst = false;
    return 0;
  };
  return Object.create(plain, { listenerCount: { value: listenerCount } }) as Server;
}

/** A server that never listens, and passes on all that it emits. */
function plainServerOf(server: Server): Server {
  const known = plainServers.get(server);
  const plain = known ?? new Server();
  copySettings(server, plain);
  if (known) return known;
  plainServers.set(server, plain);
  // Asked anew each time: a seam that came later has an `emit` of its own.
  plain.emit = (event: string, ...args: unknown[]) => server.emit(event, ...args);
  return plain;
}

function copySettings(from: Server, to: Server): void {
  const source = from as unknown as Record<PropertyKey, unknown>;
  const target = to as unknown as Record<PropertyKey, unknown>;
  for (const name of SETTINGS) if (name in source) target[name] = source[name];
  for (const symbol of Object.getOwnPropertySymbols(from)) {
    if (PRIVATE_SETTINGS.includes(symbol.description ?? '')) target[symbol] = source[symbol];
  }
}

function headerOf(req: IncomingMessage): string {
  const lines = [`${req.method ?? 'GET'} ${req.url ?? '/'} HTTP/${req.httpVersion}`];
  for (let i = 0; i + 1 < req.rawHeaders.length; i += 2)
    lines.push(`${req.rawHeaders[i] ?? ''}: ${req.rawHeaders[i + 1] ?? ''}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

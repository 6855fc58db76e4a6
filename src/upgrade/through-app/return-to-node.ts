import { EventEmitter } from 'node:events';
import { Server, type IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { whenAnswered } from './pipelining.js';

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
  giveToParser(server, socket, { isFirstOrdinary: true });
}

/**
 * Gives a connection back to Node behind an answer that keeps it alive: what follows is parsed as on any connection of the
 * server. `head` is what the client has sent already; `onRequest` is called with the next request.
 */
export function handBack(
  server: Server,
  socket: Duplex,
  head: Buffer,
  onRequest: () => void = () => undefined,
): void {
  if (head.length > 0) socket.unshift(head);
  // Node's own, with what it adds to the time that the client was promised (Node >= 22.19 and >= 24.6).
  const { keepAliveTimeout, keepAliveTimeoutBuffer = 0 } = server as {
    keepAliveTimeoutBuffer?: number;
  } & Server;
  giveToParser(server, socket, {
    isFirstOrdinary: false,
    onRequest: () => {
      onRequest();
      if (socket instanceof Socket) socket.setTimeout(server.timeout);
    },
  });
  if (socket instanceof Socket && keepAliveTimeout > 0)
    socket.setTimeout(keepAliveTimeout + keepAliveTimeoutBuffer);
}

interface ParserOptions {
  /** The first request is no upgrade, whatever its header says. Those behind it may be upgrades as any other. */
  readonly isFirstOrdinary: boolean;
  /** Called with the first request. */
  readonly onRequest?: () => void;
}

function giveToParser(server: Server, socket: Duplex, options: ParserOptions): void {
  const plain = forOneConnection(server, plainServerOf(server), options);
  // Its own `emit` passes everything on to the real server.
  EventEmitter.prototype.emit.call(plain, 'connection', socket);
  (socket as Duplex & { server?: Server }).server = server;
}

type Decided = Server & { shouldUpgradeCallback?: (req: IncomingMessage) => boolean };

function forOneConnection(
  server: Decided,
  plain: Decided,
  { isFirstOrdinary, onRequest = () => undefined }: ParserOptions,
): Server {
  let isOrdinary = isFirstOrdinary;
  let isFirst = true;
  const once = () => {
    const was = isOrdinary;
    isOrdinary = false;
    return was;
  };
  const listenerCount: Server['listenerCount'] = (event, ...rest) =>
    event === 'upgrade' && once() ? 0 : server.listenerCount(event, ...rest);
  const shouldUpgradeCallback = (req: IncomingMessage) =>
    !once() && server.shouldUpgradeCallback?.(req) === true;
  const emit = (event: string, ...args: unknown[]) => {
    if (event === 'request' && isFirst) {
      isFirst = false;
      onRequest();
    }
    return plain.emit(event, ...args);
  };
  return Object.create(plain, {
    listenerCount: { value: listenerCount },
    emit: { value: emit },
    // Node asks it in place of the count (Node >= 22.21 and >= 24.9).
    ...(server.shouldUpgradeCallback && { shouldUpgradeCallback: { value: shouldUpgradeCallback } }),
  }) as Server;
}

/** A server that never listens, and passes on all that it emits. */
function plainServerOf(server: Server): Server {
  const known = plainServers.get(server);
  const plain = known ?? new Server();
  copySettings(server, plain);
  if (known) return known;
  plainServers.set(server, plain);
  // Read anew each time: a dispatcher that came later has an `emit` of its own.
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

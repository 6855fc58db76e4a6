import { EventEmitter } from 'node:events';
import { Server, type IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { copySettings } from '../../internals/node-http.js';
import { setServerOf } from '../../internals/node-net.js';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { afterEarlierResponses } from './pipelining.js';

// A server with an `upgrade` listener gets every upgrade from Node: h2c, TLS, a POST with `Upgrade: websocket`. Upgrades that no
// listener wants return to Node, which parses the requests again as ordinary requests, as on a server without `upgrade`
// listeners.

const parsingServers = new WeakMap<Server, Server>();

/** Returns a request to Node, which parses the request as on a server without `upgrade` listeners. */
export function reparseAsOrdinary(server: Server, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  ignoreErrors(socket);
  afterEarlierResponses(socket, () => {
    // The connection's parser is gone: a new parser gets the request in the client's form.
    socket.unshift(Buffer.concat([Buffer.from(headerTextOf(req), 'latin1'), head]));
    giveToParser(server, socket, { isFirstOrdinary: true });
  });
}

/**
 * Returns a connection to Node after a keep-alive response: Node parses the next requests as on any connection of the server.
 * `head`: bytes that the client has sent already. `onRequest` is called with the next request.
 */
export function returnConnection(
  server: Server,
  socket: Duplex,
  head: Buffer,
  onRequest: () => void = () => undefined,
): void {
  if (head.length > 0) socket.unshift(head);
  // Node adds the buffer to the time that `Keep-Alive` announces (Node >= 22.19 and >= 24.6).
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
  /** Parse the first request as an ordinary one despite its Upgrade header. Later requests may be upgrades. */
  readonly isFirstOrdinary: boolean;
  /** Called with the first request. */
  readonly onRequest?: () => void;
}

function giveToParser(server: Server, socket: Duplex, options: ParserOptions): void {
  const parsing = forOneConnection(server, parsingServerOf(server), options);
  // Not `parsing.emit`: that method forwards all events to the real server.
  EventEmitter.prototype.emit.call(parsing, 'connection', socket);
  setServerOf(socket, server);
}

type DecidingServer = Server & { shouldUpgradeCallback?: (req: IncomingMessage) => boolean };

function forOneConnection(
  server: DecidingServer,
  parsing: DecidingServer,
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
    return parsing.emit(event, ...args);
  };
  return Object.create(parsing, {
    listenerCount: { value: listenerCount },
    emit: { value: emit },
    // Newer Node calls this function instead of counting the listeners (Node >= 22.21 and >= 24.9).
    ...(server.shouldUpgradeCallback && { shouldUpgradeCallback: { value: shouldUpgradeCallback } }),
  }) as Server;
}

/** A server that never listens, has the settings of the real server, and forwards all events to the real server. */
function parsingServerOf(server: Server): Server {
  const known = parsingServers.get(server);
  const parsing = known ?? new Server();
  copySettings(server, parsing);
  if (known) return known;
  parsingServers.set(server, parsing);
  // `server.emit` is read at each event: a dispatcher may replace it later.
  parsing.emit = (event: string, ...args: unknown[]) => server.emit(event, ...args);
  return parsing;
}

function headerTextOf(req: IncomingMessage): string {
  const lines = [`${req.method ?? 'GET'} ${req.url ?? '/'} HTTP/${req.httpVersion}`];
  for (let i = 0; i + 1 < req.rawHeaders.length; i += 2)
    lines.push(`${req.rawHeaders[i] ?? ''}: ${req.rawHeaders[i + 1] ?? ''}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

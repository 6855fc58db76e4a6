// The internals of node:http's servers and responses. No other file reads these internals. spec/unit/internals/internals.spec.ts
// notices changes by Node.
import { IncomingMessage, ServerResponse, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex, Writable } from 'node:stream';

const SYMBOLS = {
  serverResponse: 'ServerResponse',
  incomingMessage: 'IncomingMessage',
  uniqueHeaders: 'kUniqueHeaders',
  connections: 'http.server.connections',
  needDrain: 'kNeedDrain',
} as const;

type Fields = Record<PropertyKey, unknown>;

/** The symbols found so far: a symbol of Node is the same for all objects of a class. */
const known = new Map<string, symbol>();

/** A symbol of Node, found by the symbol's description: Node does not export the symbol. */
function symbolOf(owner: object, description: string): symbol | undefined {
  const before = known.get(description);
  if (before !== undefined && Object.hasOwn(owner, before)) return before;
  const found = Object.getOwnPropertySymbols(owner).find((symbol) => symbol.description === description);
  if (found) known.set(description, found);
  return found;
}

/**
 * Creates a response as node:http does for a request of this server: with the class and the header rules given to `createServer`
 * (`ServerResponse`, `uniqueHeaders`, `rejectNonStandardBodyWrites`).
 *
 * Reads `server[Symbol(ServerResponse)]` and `[Symbol(kUniqueHeaders)]`, writes the latter on the response (since Node 9.6 and
 * 18.14; https://github.com/nodejs/node/blob/v24.0.0/lib/_http_server.js, `storeHTTPOptions` and `parserOnIncoming`). Test: "a
 * response is of the class and has the header rules that were given to createServer".
 */
export function createResponse(server: Server, req: IncomingMessage, socket: Duplex): ServerResponse {
  const fields = server as unknown as Fields;
  const own = symbolOf(server, SYMBOLS.serverResponse);
  type ResponseClass = new (req: IncomingMessage, options: object) => ServerResponse;
  const Response = ((own && fields[own]) ?? ServerResponse) as ResponseClass;
  const res = new Response(req, {
    highWaterMark: socket.writableHighWaterMark,
    rejectNonStandardBodyWrites: fields.rejectNonStandardBodyWrites,
  });
  const unique = symbolOf(server, SYMBOLS.uniqueHeaders);
  if (unique) (res as unknown as Fields)[unique] = fields[unique];
  return res;
}

/**
 * Creates a complete GET request without body as node:http does: with the class given to `createServer` (`IncomingMessage`), and
 * with headers parsed by Node's own rules for repeated names.
 *
 * Reads `server[Symbol(IncomingMessage)]`, calls `req._addHeaderLines`, writes `req.upgrade` and `req.joinDuplicateHeaders` (since
 * Node 9.6, 0.3, 0.3 and 18.14; https://github.com/nodejs/node/blob/v24.0.0/lib/_http_common.js, `parserOnHeadersComplete`). Test: "a
 * request that is created has the class, the headers and the end of a request that arrives".
 */
export function createRequest(
  server: Server,
  socket: Duplex,
  url: string,
  rawHeaders: string[],
  upgrade: boolean,
): IncomingMessage {
  const fields = server as unknown as Fields;
  const own = symbolOf(server, SYMBOLS.incomingMessage);
  const Request = ((own && fields[own]) ?? IncomingMessage) as typeof IncomingMessage;
  const req = new Request(socket as Socket) as IncomingMessage & {
    upgrade: boolean;
    joinDuplicateHeaders: unknown;
    _addHeaderLines(lines: string[], count: number): void;
  };
  req.method = 'GET';
  req.url = url;
  req.httpVersion = '1.1';
  req.httpVersionMajor = 1;
  req.httpVersionMinor = 1;
  req.upgrade = upgrade;
  req.joinDuplicateHeaders = fields.joinDuplicateHeaders;
  req._addHeaderLines(rawHeaders, rawHeaders.length);
  req.complete = true;
  req.push(null);
  return req;
}

/**
 * Connects a response to a stream. Throws ERR_HTTP_SOCKET_ASSIGNED if another response owns the stream.
 *
 * Calls `ServerResponse.prototype.assignSocket` (since Node 0.3, in Node's types, not in Node's documentation;
 * https://github.com/nodejs/node/blob/v24.0.0/lib/_http_server.js). Test: "a response can be assigned to any stream".
 */
export function assignSocket(res: ServerResponse, stream: Writable): void {
  res.assignSocket(stream as unknown as Socket);
}

/** The opposite of {@link assignSocket}, with the same source. */
export function detachSocket(res: ServerResponse, stream: Writable): void {
  res.detachSocket(stream as unknown as Socket);
}

/**
 * The response that owns a socket, if any.
 *
 * Reads `socket._httpMessage`, which `assignSocket` sets and `detachSocket` clears (since Node 0.3;
 * https://github.com/nodejs/node/blob/v24.0.0/lib/_http_server.js). Test: "a response can be assigned to any stream".
 */
export function responseOn(socket: Duplex): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
}

/**
 * Emits `drain` on a response whose socket has drained.
 *
 * Clears `res[Symbol(kNeedDrain)]`, which `res.writableNeedDrain` reads (since Node 10.16;
 * https://github.com/nodejs/node/blob/v24.0.0/lib/_http_server.js, `socketOnDrain`). Without the symbol, each `drain` of the
 * socket emits a `drain`. Test: "a drained response no longer needs a drain".
 */
export function emitDrain(res: ServerResponse): void {
  const flag = symbolOf(res, SYMBOLS.needDrain);
  if (flag) (res as unknown as Fields)[flag] = false;
  res.emit('drain');
}

/**
 * Sets the time that the header `Keep-Alive: timeout=` of a response announces.
 *
 * Writes `res._keepAliveTimeout` (since Node 8.0; https://github.com/nodejs/node/blob/v24.0.0/lib/_http_server.js,
 * `parserOnIncoming`). Test: "a kept-alive response names the server's keepAliveTimeout".
 */
export function setKeepAliveTimeout(res: ServerResponse, milliseconds: number): void {
  (res as ServerResponse & { _keepAliveTimeout?: number })._keepAliveTimeout = milliseconds;
}

/**
 * Does the connection end with this response? Known once the header has been written.
 *
 * Reads `res._last` (since Node 0.3; https://github.com/nodejs/node/blob/v24.0.0/lib/_http_outgoing.js, `_storeHeader`). Test: "a
 * response with Connection: close is the last one".
 */
export function isLastResponse(res: ServerResponse): boolean {
  return (res as ServerResponse & { _last?: boolean })._last === true;
}

/**
 * Closes a finished response in the next tick, as Node does: a later write is dropped and emits no `error`.
 *
 * Writes `res.destroyed` and emits `close` (https://github.com/nodejs/node/blob/v24.0.0/lib/_http_server.js, `resOnFinish` and
 * lib/_http_outgoing.js, `emitCloseNT`). Test: "a write to a closed response raises no error event".
 */
export function closeResponse(res: ServerResponse): void {
  process.nextTick(closeNow, res);
}

function closeNow(res: ServerResponse): void {
  if (res.destroyed) return;
  res.destroyed = true;
  res.emit('close');
}

/**
 * The names of a response's headers in the app's spelling.
 *
 * Calls `getRawHeaderNames()`, which Node documents for ClientRequest and has on every OutgoingMessage (since Node 15.13;
 * https://nodejs.org/api/http.html#requestgetrawheadernames). Test: "a response keeps the spelling of its header names".
 */
export function headerNamesOf(res: ServerResponse): string[] {
  return (res as unknown as { getRawHeaderNames(): string[] }).getRawHeaderNames();
}

/**
 * Makes a request an ordinary one for all code that reads `req.upgrade`.
 *
 * Writes `req.upgrade` (since Node 0.3; https://github.com/nodejs/node/blob/v24.0.0/lib/_http_common.js,
 * `parserOnHeadersComplete`). Test: "a request that arrives as an upgrade says so in req.upgrade".
 */
export function markAsOrdinary(req: IncomingMessage): void {
  (req as IncomingMessage & { upgrade?: boolean }).upgrade = false;
}

/**
 * Does the server answer a client that has ended its direction?
 *
 * Reads `server.httpAllowHalfOpen` (since Node 0.3; https://github.com/nodejs/node/blob/v24.0.0/lib/_http_server.js,
 * `socketOnEnd`). Test: "a server has the property httpAllowHalfOpen".
 */
export function allowsHalfOpen(server: Server): boolean {
  return (server as Server & { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen === true;
}

/** Options that node:http keeps as properties of the server and reads for each connection. */
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

/**
 * More options, under symbols: classes, header rules, and the list of connections that timeouts and `closeAllConnections()` read.
 */
const SYMBOL_SETTINGS: readonly string[] = [
  SYMBOLS.incomingMessage,
  SYMBOLS.serverResponse,
  SYMBOLS.uniqueHeaders,
  SYMBOLS.connections,
];

/**
 * Gives `to` all settings by which `from` parses and answers connections. Both servers then share the list of connections.
 *
 * Copies {@link SETTINGS} and {@link SYMBOL_SETTINGS} (`[Symbol(http.server.connections)]` since Node 18.0;
 * https://github.com/nodejs/node/blob/v24.0.0/lib/_http_server.js, `storeHTTPOptions` and `setupConnectionsTracking`). Test: "a
 * server has the settings that are copied to another".
 */
export function copySettings(from: Server, to: Server): void {
  const source = from as unknown as Fields;
  const target = to as unknown as Fields;
  for (const name of SETTINGS) if (name in source) target[name] = source[name];
  for (const symbol of Object.getOwnPropertySymbols(from)) {
    if (SYMBOL_SETTINGS.includes(symbol.description ?? '')) target[symbol] = source[symbol];
  }
}

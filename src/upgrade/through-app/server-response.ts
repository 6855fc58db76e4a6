import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { StreamSocket } from '../http2/stream-socket.js';

/** The server's own class (the `ServerResponse` option is honoured), made as Node makes it. */
export function newResponse(server: Server, req: IncomingMessage, socket: Duplex): ServerResponse {
  const options = server as unknown as Record<PropertyKey, unknown>;
  const symbolOf = (name: string) =>
    Object.getOwnPropertySymbols(server).find(({ description }) => description === name);
  const own = symbolOf('ServerResponse');
  type ResponseClass = new (req: IncomingMessage, options: object) => ServerResponse;
  const Response = ((own && options[own]) ?? ServerResponse) as ResponseClass;
  const res = new Response(req, {
    highWaterMark: socket.writableHighWaterMark,
    rejectNonStandardBodyWrites: options.rejectNonStandardBodyWrites,
  });
  const unique = symbolOf('kUniqueHeaders');
  if (unique) (res as unknown as Record<symbol, unknown>)[unique] = options[unique];
  return res;
}

/** What Node keeps on a response for the connection's next request. */
type KeepAlive = ServerResponse & { _keepAliveTimeout?: number; _last?: boolean };

/** The connection outlives the answer where it would without us: unless the client or the app asks for its end. */
export function keepAlive(server: Server, res: KeepAlive): void {
  const wantsEnd = /(^|,)[ \t]*close[ \t]*(,|$)/i.test(res.req.headers.connection ?? '');
  // Requests of this connection that came before are not counted any more.
  res.shouldKeepAlive = !wantsEnd && !((server.maxRequestsPerSocket ?? 0) > 0);
  res._keepAliveTimeout = server.keepAliveTimeout;
}

/** Does the connection end with this answer? */
export function isLast(res: KeepAlive): boolean {
  return res._last === true;
}

/** The connection ends with the answer, and the answer says so even where the app asks for keep-alive. */
export function closeAfterwards(res: ServerResponse, onHead: (status: number) => void): void {
  const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => ServerResponse;
  res.writeHead = (...args: unknown[]) => {
    onHead(typeof args[0] === 'number' ? args[0] : res.statusCode);
    res.setHeader('Connection', 'close');
    // HTTP/2 has frames in place of chunks.
    const dropped =
      res.req.socket instanceof StreamSocket ? ['connection', 'transfer-encoding'] : ['connection'];
    if (dropped.length > 1) res.removeHeader('Transfer-Encoding');
    return writeHead(...args.map((arg) => (typeof arg === 'object' ? without(arg, dropped) : arg)));
  };
}

/** `writeHead` takes headers as an object, a flat list of names and values, or a list of pairs. */
function without(headers: object | null, dropped: readonly string[]): unknown {
  const isDropped = (name: unknown) => dropped.includes(String(name).toLowerCase());
  if (headers === null) return headers;
  if (!Array.isArray(headers))
    return Object.fromEntries(Object.entries(headers).filter(([name]) => !isDropped(name)));
  const list: unknown[] = headers;
  if (Array.isArray(list[0])) return list.filter((pair) => !isDropped((pair as unknown[])[0]));
  return list.filter((_, index) => !isDropped(list[index - (index % 2)]));
}

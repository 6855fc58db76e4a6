import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setKeepAliveTimeout } from '../../internals/node-http.js';

/** Keeps the connection open after the response, as Node does, unless the client or the app asks to end the connection. */
export function keepConnection(server: Server, res: ServerResponse): void {
  const wantsEnd = /(^|,)[ \t]*close[ \t]*(,|$)/i.test(res.req.headers.connection ?? '');
  // Node's count of the earlier requests on this connection was lost with the connection's parser.
  res.shouldKeepAlive = !wantsEnd && !((server.maxRequestsPerSocket ?? 0) > 0);
  setKeepAliveTimeout(res, server.keepAliveTimeout);
}

/** HTTP/2 has frames in place of chunks. */
const DROPPED_ON_HTTP2 = ['connection', 'transfer-encoding'];
const DROPPED = ['connection'];

/**
 * Ends the connection with this response, even if the app asks for keep-alive. `onHead` gets the status before the header is
 * written, and returns false if no client will receive the header. Returns the new method `writeHead`.
 */
export function closeAfterResponse(
  res: ServerResponse,
  isHttp2: boolean,
  onHead: (status: number) => boolean,
): ServerResponse['writeHead'] {
  const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => ServerResponse;
  const dropped = isHttp2 ? DROPPED_ON_HTTP2 : DROPPED;
  // Not assigned directly: V8 allocates a function literal that is assigned to a property in its old generation, where the
  // function would keep the request and all that belongs to it until the next full collection.
  const writeHeadAndClose = (...args: unknown[]): ServerResponse => {
    if (!onHead(typeof args[0] === 'number' ? args[0] : res.statusCode)) return writeHead(...args);
    res.setHeader('Connection', 'close');
    if (isHttp2) res.removeHeader('Transfer-Encoding');
    return writeHead(...args.map((arg) => (typeof arg === 'object' ? without(arg, dropped) : arg)));
  };
  res.writeHead = writeHeadAndClose;
  return writeHeadAndClose;
}

/** `writeHead` accepts headers as an object, a flat list of names and values, or a list of pairs. */
function without(headers: object | null, dropped: readonly string[]): unknown {
  const isDropped = (name: unknown) => dropped.includes(String(name).toLowerCase());
  if (headers === null) return headers;
  if (!Array.isArray(headers))
    return Object.fromEntries(Object.entries(headers).filter(([name]) => !isDropped(name)));
  const list: unknown[] = headers;
  if (Array.isArray(list[0])) return list.filter((pair) => !isDropped((pair as unknown[])[0]));
  return list.filter((_, index) => !isDropped(list[index - (index % 2)]));
}

/** Reads the rest of a request after its response, as Node does: an unread request never emits `end` and `close`. */
export function drainRequest(req: IncomingMessage): void {
  // An incomplete request would read from the socket, which may belong to a tunnel.
  try {
    if (req.complete) req.resume();
  } catch {
    // A getter of the app may throw.
  }
}

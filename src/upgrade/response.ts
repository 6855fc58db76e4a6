import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { StreamSocket } from './http2/stream-socket.js';

/** The server's own class (the `ServerResponse` option is honoured), made as Node makes it. */
export function newResponse(server: Server, req: IncomingMessage, socket: Duplex): ServerResponse {
  const own = Object.getOwnPropertySymbols(server).find((symbol) => symbol.description === 'ServerResponse');
  const options = server as unknown as Record<PropertyKey, unknown>;
  type ResponseClass = new (req: IncomingMessage, options: object) => ServerResponse;
  const Response = ((own && options[own]) ?? ServerResponse) as ResponseClass;
  return new Response(req, {
    highWaterMark: socket.writableHighWaterMark,
    rejectNonStandardBodyWrites: options.rejectNonStandardBodyWrites,
  });
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

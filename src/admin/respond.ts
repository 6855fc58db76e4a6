import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HttpError } from './http-error.js';

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
} as const;

/** Sets the headers of every answer, and the given ones. */
export function prepare(
  res: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string | number>>,
): void {
  res.statusCode = status;
  for (const [name, value] of Object.entries({ ...HEADERS, ...headers })) res.setHeader(name, value);
}

/** Sends a whole answer. The answer to HEAD has no body. */
export function send(
  req: IncomingMessage,
  res: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Readonly<Record<string, string>>,
): void {
  if (isAnswered(res)) return;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  prepare(res, status, { 'Content-Length': bytes.length, ...headers });
  if (req.method === 'HEAD') res.end();
  else res.end(bytes);
}

export function sendJson(
  req: IncomingMessage,
  res: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const own = { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' };
  send(req, res, status, text, { ...own, ...headers });
}

export function sendError(req: IncomingMessage, res: ServerResponse, error: HttpError): void {
  sendJson(req, res, error.status, JSON.stringify({ error: error.message }), error.headers);
}

/** Has the app answered, or has the client left? The property `destroyed` is missing in a response over HTTP/2. */
export function isAnswered(res: ServerResponse): boolean {
  return res.headersSent || res.writableEnded || res.destroyed || http2StreamOf(res)?.destroyed === true;
}

/** The stream of a response over HTTP/2, which has no `destroy`. */
export function http2StreamOf(res: ServerResponse): Duplex | undefined {
  return (res as ServerResponse & { stream?: Duplex }).stream;
}

/** Frees the connection, or the stream of HTTP/2. */
export function destroy(res: ServerResponse): void {
  const stream = http2StreamOf(res);
  if (stream) stream.destroy();
  else res.destroy();
}

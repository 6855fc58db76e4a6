import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TunnelError } from '../errors.js';
import { endAfterResponse } from './end-after-response.js';

/** Answers a refused request through its response. */
export function respondWithRefusal(res: ServerResponse, refusal: TunnelError): void {
  if (res.headersSent || res.writableEnded) return;
  res.statusCode = refusal.status;
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.setHeader('Cache-Control', 'no-store');
  for (const [name, value] of Object.entries(refusal.headers)) res.setHeader(name, value);
  const body = Buffer.from(refusal.body);
  res.setHeader('Content-Length', body.length);
  res.setHeader('Connection', 'close');
  // With a string, Node would write the header in the string's encoding instead of Latin-1.
  res.end(body);
}

/** Answers on the bare socket: there is no response yet, or the response was already used for a 101 that could not be sent. */
export function respondOnSocket(
  socket: Duplex,
  status: number,
  { headers, body }: Pick<TunnelError, 'headers' | 'body'> = { headers: {}, body: '' },
): void {
  if (socket.writable) {
    const all = {
      ...headers,
      ...(body !== '' && { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' }),
      Connection: 'close',
      'Content-Length': Buffer.byteLength(body),
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
  }
  endAfterResponse(socket);
}

/** Browsers show text/plain. The sentence repeats no part of the request. */
const SENTENCE = 'This path is a WebSocket tunnel: open it from a page or a program that speaks WebSocket.\n';

/** Answers a plain GET of a tunnel's path (RFC 9110 section 15.5.22). Not a refusal: the client did not ask for a tunnel. */
export function respondUpgradeRequired(res: ServerResponse): void {
  res.statusCode = 426;
  // RFC 9110 section 7.8: a response with `Upgrade` must name `Upgrade` in `Connection`. Node treats a value without `close` as
  // keep-alive, even if the client asked to end the connection.
  res.setHeader('Upgrade', 'websocket');
  res.setHeader('Connection', 'Upgrade, close');
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('Content-Length', Buffer.byteLength(SENTENCE));
  res.end(SENTENCE);
}

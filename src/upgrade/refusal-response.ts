import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TunnelError } from '../errors.js';
import { endPolitely } from './end-after-response.js';

/** The plain answer of a refusal. */
export function answer(res: ServerResponse, refusal: TunnelError): void {
  if (res.headersSent || res.writableEnded) return;
  res.statusCode = refusal.status;
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.setHeader('Cache-Control', 'no-store');
  for (const [name, value] of Object.entries(refusal.headers)) res.setHeader(name, value);
  const body = Buffer.from(refusal.body);
  res.setHeader('Content-Length', body.length);
  res.setHeader('Connection', 'close');
  // With a string, Node writes the header in the string's encoding as well, and not in Latin-1.
  res.end(body);
}

/** The answer where the response was already spent on a 101 that could not be sent, or where there is none yet. */
export function answerBare(
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
  endPolitely(socket);
}

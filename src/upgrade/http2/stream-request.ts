import { randomBytes } from 'node:crypto';
import { IncomingMessage } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import type { StreamSocket } from './stream-socket.js';

/** The HEADERS of a stream: in Node's parsed form, and in the client's form. */
export interface StreamHeaders {
  readonly headers: IncomingHttpHeaders;
  readonly raw: readonly string[];
}

// Headers of a connection, which HTTP/2 forbids (RFC 9113 section 8.2.2), and headers set below: no client may choose these.
const NOT_COPIED =
  /^(:.*|connection|keep-alive|proxy-connection|transfer-encoding|upgrade|host|sec-websocket-key)$/;

/** Does the stream ask for a WebSocket (RFC 8441 section 5)? */
export function isWebSocketConnect({ headers }: StreamHeaders): boolean {
  return headers[':method'] === 'CONNECT' && headers[':protocol'] === 'websocket';
}

/** The upgrade request that corresponds to an extended CONNECT. */
export function upgradeRequest(from: StreamHeaders, socket: StreamSocket): IncomingMessage {
  const req = requestOf(from, socket, 'GET', [
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    // HTTP/2 has no key. With a key the handshake passes the same checks as every other handshake.
    ['Sec-WebSocket-Key', randomBytes(16).toString('base64')],
  ]);
  req.complete = true;
  req.push(null);
  return req;
}

/** A request other than an upgrade. The body is read from the stream as the app reads the request. */
export function ordinaryRequest(from: StreamHeaders, socket: StreamSocket): IncomingMessage {
  const req = requestOf(from, socket, from.headers[':method'] ?? 'GET', []);
  socket.on('data', (chunk: Buffer) => {
    // Reading the request resumes the socket.
    if (!req.push(chunk)) socket.pause();
  });
  socket.once('end', () => {
    req.complete = true;
    req.push(null);
  });
  socket.once('close', () => {
    if (!req.complete) req.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
  });
  socket.pause();
  return req;
}

/** A request in the form that Node creates, but without parsing text: no value of a client can become another header or request. */
function requestOf(
  { headers, raw }: StreamHeaders,
  socket: StreamSocket,
  method: string,
  extra: readonly (readonly [string, string])[],
): IncomingMessage {
  const req = new IncomingMessage(socket as unknown as Socket);
  req.method = method;
  req.url = headers[':path'] ?? '/';
  req.httpVersion = '1.1';
  req.httpVersionMajor = 1;
  req.httpVersionMinor = 1;
  const host = headers[':authority'] ?? headers.host;
  const added = [...(host === undefined ? [] : [['Host', host] as const]), ...extra];
  req.rawHeaders = added.flat();
  // A browser sends one field for each cookie (RFC 9113 section 8.2.3).
  if (headers.cookie !== undefined) req.rawHeaders.push('cookie', headers.cookie);
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name = '', value = ''] = [raw[i], raw[i + 1]];
    if (!NOT_COPIED.test(name) && name !== 'cookie') req.rawHeaders.push(name, value);
  }
  // Node has joined repeated headers by the rules of HTTP/1.1.
  req.headers = Object.fromEntries([
    ...Object.entries(headers).filter(([name]) => !NOT_COPIED.test(name)),
    ...added.map(([name, value]) => [name.toLowerCase(), value]),
  ]) as IncomingMessage['headers'];
  req.headersDistinct = distinct(req.rawHeaders);
  return req;
}

function distinct(raw: readonly string[]): NodeJS.Dict<string[]> {
  const all = Object.create(null) as Record<string, string[]>;
  for (let i = 0; i + 1 < raw.length; i += 2)
    (all[(raw[i] ?? '').toLowerCase()] ??= []).push(raw[i + 1] ?? '');
  return all;
}

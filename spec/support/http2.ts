import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import {
  connect,
  createSecureServer,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureServerOptions,
} from 'node:http2';
import type { Socket } from 'node:net';
import express, { type Express } from 'express';
import type { TunnelOptions } from '../../src/index.js';
import { certificate } from './certificate.js';
import { onCleanup } from './cleanup.js';
import { RawClient } from './raw-client.js';
import { listen, makeTunnel, portOf, startEcho } from './servers.js';

/** An http2 server over TLS that also allows HTTP/1.1, as `http2.createSecureServer` makes for an app. */
export async function startHttp2(
  listener: RequestListener | undefined,
  options: SecureServerOptions = {},
): Promise<{ server: Http2SecureServer; port: number }> {
  const server = createSecureServer({ ...certificate(), allowHTTP1: true, ...options });
  if (listener) server.on('request', listener as unknown as () => void);
  await listen(server);
  return { server, port: portOf(server) };
}

/** An Express app with a tunnel at `/tunnel`, which leads to an echo unless `server` is given. */
export async function startHttp2Tunnel(
  options: Partial<TunnelOptions> = {},
  build: (app: Express) => void = () => undefined,
) {
  const backend = options.server === undefined ? await startEcho() : undefined;
  const tunnel = makeTunnel({ server: { port: backend?.port ?? 1 }, closeTimeout: 2, ...options });
  const app = express().set('env', 'test');
  build(app);
  app.use('/tunnel', tunnel);
  return { app, tunnel, backend, ...(await startHttp2(app)) };
}

/** A connection after it has received the server's settings. */
export async function connectHttp2(
  port: number,
  options: ClientSessionOptions = {},
): Promise<ClientHttp2Session> {
  const session = connect(`https://localhost:${port}`, { ca: certificate().cert, ...options } as object);
  session.on('error', () => undefined);
  onCleanup(() => session.destroy());
  await once(session, 'remoteSettings');
  return session;
}

/** The headers of an extended CONNECT, RFC 8441 section 5. */
export function connectHeaders(path = '/tunnel', headers: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
  return {
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'https',
    ':path': path,
    'sec-websocket-version': '13',
    ...headers,
  };
}

export interface Http2Answer {
  readonly stream: ClientHttp2Stream;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** The answer to a request; rejects if the stream is reset first. */
export async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders): Promise<Http2Answer> {
  const stream = session.request(headers, { endStream: headers[':method'] !== 'CONNECT' });
  stream.on('error', () => undefined);
  const answer = new Promise<IncomingHttpHeaders>((resolve, reject) => {
    stream.once('response', resolve);
    stream.once('close', () => reject(new Error(`reset with code ${stream.rstCode}`)));
  });
  const got = await answer;
  return { stream, status: Number(got[':status']), headers: got };
}

export async function bodyOf({ stream }: Http2Answer): Promise<string> {
  let body = '';
  for await (const chunk of stream) body += String(chunk);
  return body;
}

/** The complete answer to a refused request. */
export async function refusal(
  session: ClientHttp2Session,
  path = '/tunnel',
  headers: OutgoingHttpHeaders = {},
) {
  const answer = await ask(session, connectHeaders(path, headers));
  return { status: answer.status, headers: answer.headers, body: await bodyOf(answer) };
}

/** Opens a tunnel on a connection; the result sends and reads frames as on a socket. */
export async function openOverHttp2(
  session: ClientHttp2Session,
  path = '/tunnel',
  headers: OutgoingHttpHeaders = {},
): Promise<RawClient & Http2Answer> {
  const answer = await ask(session, connectHeaders(path, headers));
  if (answer.status !== 200) throw new Error(`no tunnel: ${answer.status} ${await bodyOf(answer)}`);
  return Object.assign(new RawClient(answer.stream as unknown as Socket), answer);
}

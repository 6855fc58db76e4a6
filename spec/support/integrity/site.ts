import { once } from 'node:events';
import { createServer as createHttp, type Server as HttpServer } from 'node:http';
import { createSecureServer as createHttp2 } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createServer as createTls } from 'node:tls';
import express from 'express';
import type { Host, Tunnel, TunnelOptions } from '../../../src/index.js';
import { certificate } from '../certificate.js';
import { onCleanup } from '../cleanup.js';
import { connectHeaders, connectHttp2 } from '../http2.js';
import { holdingPair } from './duplex.js';
import type { Random } from '../random.js';
import { handshake } from '../raw-client.js';
import { listen, makeTunnel, portOf } from '../servers.js';
import { accepting } from '../websocket-server.js';

/** How clients connect: TCP, TLS, a unix socket, a Duplex that the app gives to its server, or one HTTP/2 connection. */
export type Transport = 'http' | 'https' | 'unix' | 'duplex' | 'https duplex' | 'h2';
export type BackendKind = 'tcp' | 'tls' | 'unix' | WebSocketKind;
/** A backend that speaks WebSocket. */
type WebSocketKind = 'ws' | 'wss';

export function isWebSocket(kind: BackendKind): kind is WebSocketKind {
  return kind === 'ws' || kind === 'wss';
}

export interface Site {
  readonly tunnel: Tunnel;
  readonly server: Server;
  readonly backend: Server;
  /** A new connection to the server. */
  dial(random: Random): Duplex;
}

function unixPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'wstunnel-unix-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
  return join(folder, 'socket');
}

/** A server of the given transport with a tunnel at `/tunnel`, and a backend of the given kind. */
export async function startSite(
  transport: Transport,
  kind: BackendKind,
  serve: (socket: Socket) => void,
  options: Partial<TunnelOptions> = {},
): Promise<Site> {
  const take = (socket: Socket) => {
    socket.on('error', () => undefined);
    if (isWebSocket(kind)) void acceptOn(socket).then(() => serve(socket));
    else serve(socket);
  };
  const backend =
    kind === 'tls' || kind === 'wss'
      ? createTls({ ...certificate(), allowHalfOpen: true }, take)
      : createServer({ allowHalfOpen: true }, take);
  const path = kind === 'unix' ? unixPath() : undefined;
  await listen(backend, path);
  const host: Host = isWebSocket(kind)
    ? { url: `${kind}://127.0.0.1:${portOf(backend)}/` }
    : path === undefined
      ? { port: portOf(backend) }
      : { socket: path };
  if (kind === 'tls' || kind === 'wss') host.tls = { ca: certificate().cert };
  const tunnel = makeTunnel({ server: host, ...options });
  const app = express().use('/tunnel', tunnel);
  const secure = transport.startsWith('https');
  const server: Server =
    transport === 'h2'
      ? createHttp2(certificate(), app as unknown as () => void)
      : secure
        ? createHttps(certificate(), app)
        : createHttp(app);
  // On a stream that no server accepted, the first upgrade arrives before the tunnel attaches automatically.
  if (transport.endsWith('duplex')) tunnel.attach(server as HttpServer);
  const at = transport === 'unix' ? unixPath() : undefined;
  await listen(server, at);
  const http2 = transport === 'h2' ? await connectHttp2(portOf(server)) : undefined;
  const dial = (random: Random): Duplex => {
    const socket = http2?.request(connectHeaders()) ?? dialTransport(transport, server, at, random);
    socket.on('error', () => undefined);
    onCleanup(() => socket.destroy());
    return socket;
  };
  return { tunnel, server, backend, dial };
}

function dialTransport(
  transport: Transport,
  server: Server,
  path: string | undefined,
  random: Random,
): Duplex {
  const tls = { host: '127.0.0.1', ca: certificate().cert };
  if (transport === 'unix') return connect({ path: path!, allowHalfOpen: true });
  if (transport === 'http') return connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
  if (transport === 'https') return connectTls({ ...tls, port: portOf(server) });
  const [own, given] = holdingPair(random);
  given.on('error', () => undefined);
  (server as HttpServer).emit('connection', given as unknown as Socket);
  return transport === 'duplex' ? own : connectTls({ ...tls, socket: own });
}

/** Sends the handshake and waits for the 101; puts later bytes back into the stream. */
export async function upgradeOn(socket: Duplex, path = '/tunnel'): Promise<void> {
  if ('rstCode' in socket) {
    const [headers] = (await once(socket, 'response')) as [Record<string, unknown>];
    if (headers[':status'] !== 200) throw new Error(`no tunnel: ${String(headers[':status'])}`);
    return;
  }
  socket.write(handshake(path));
  const head = await headOn(socket);
  if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`no tunnel: ${head}`);
}

/** The server's side: waits for the handshake, and sends the 101. */
async function acceptOn(socket: Duplex): Promise<void> {
  socket.write(accepting(await headOn(socket)));
}

/** Reads the head of an HTTP message; puts later bytes back into the stream. */
async function headOn(socket: Duplex): Promise<string> {
  let input = Buffer.alloc(0);
  for (let end = -1; end < 0; end = input.indexOf('\r\n\r\n')) {
    const chunk = await readOnce(socket);
    if (!chunk) throw new Error(`no tunnel: ${input.toString('latin1')}`);
    input = Buffer.concat([input, chunk]);
  }
  const end = input.indexOf('\r\n\r\n') + 4;
  if (input.length > end) socket.unshift(input.subarray(end));
  return input.toString('latin1', 0, end);
}

function readOnce(socket: Duplex): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const settle = (chunk?: Buffer) => {
      socket.off('readable', read).off('close', gone).off('end', gone);
      resolve(chunk);
    };
    const read = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk) settle(chunk);
    };
    const gone = () => settle();
    socket.on('readable', read).on('close', gone).on('end', gone);
    read();
  });
}

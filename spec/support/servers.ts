import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import express, { type Express } from 'express';
import { wstunnel, type BackendInfo, type Tunnel, type TunnelOptions } from '../../src/index.js';
import { certificate } from './certificate.js';
import { onCleanup } from './cleanup.js';

export { closedPort } from './closed-port.js';

/** A TCP server; its sockets are destroyed after the test. */
export interface Backend {
  readonly port: number;
  readonly server: Server;
  readonly sockets: Set<Socket>;
  /** All bytes received so far, over all connections. */
  received(): Buffer;
  /** Resolves to the next connection. */
  connection(): Promise<Socket>;
}

/** A backend on loopback and a free port. */
export async function startBackend(serve: (socket: Socket) => void = () => undefined): Promise<Backend> {
  const sockets = new Set<Socket>();
  const chunks: Buffer[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
    serve(socket);
  });
  await listen(server);
  return {
    port: portOf(server),
    server,
    sockets,
    received: () => Buffer.concat(chunks),
    connection: async () => (await once(server, 'connection'))[0] as Socket,
  };
}

/** A backend that returns all bytes, and ends when the client ends. */
export function startEcho(): Promise<Backend> {
  return startBackend((socket) => socket.pipe(socket));
}

/** An http server around any request listener. */
export async function startHttp(listener: RequestListener): Promise<{ server: HttpServer; port: number }> {
  const server = createHttpServer(listener);
  await listen(server);
  return { server, port: portOf(server) };
}

/** An Express app that listens. */
export async function startApp(
  build: (app: Express) => void,
): Promise<{ app: Express; server: HttpServer; port: number }> {
  const app = express();
  // Express's error handler would print the errors that tests provoke.
  app.set('env', 'test');
  build(app);
  return { app, ...(await startHttp(app)) };
}

/** A tunnel that is closed after the test. */
export function makeTunnel(options: TunnelOptions): Tunnel {
  const tunnel = wstunnel(options);
  onCleanup(() => tunnel.close({ timeout: 0.2 }));
  return tunnel;
}

/** The `backend` events of a tunnel from now on. */
export function backendEvents(tunnel: Tunnel): BackendInfo[] {
  const events: BackendInfo[] = [];
  tunnel.on('backend', (info) => events.push(info));
  return events;
}

/** An Express app with a tunnel at `/tunnel`, which leads to an echo unless `server` is given. */
export async function startTunnel(options: Partial<TunnelOptions> = {}) {
  const backend = options.server === undefined ? await startEcho() : undefined;
  const tunnel = makeTunnel({ server: { port: backend?.port ?? 1 }, closeTimeout: 2, ...options });
  const site = await startApp((app) => app.use('/tunnel', tunnel));
  return { ...site, tunnel, backend, url: `ws://127.0.0.1:${site.port}/tunnel` };
}

/** A tunnel to an echo on an https server; resolves to its port. */
export async function startTlsTunnel(): Promise<number> {
  const { port } = await startEcho();
  const tunnel = makeTunnel({ server: { port } });
  const server = createHttps(certificate(), (req, res) => tunnel(req, res, () => res.end()));
  tunnel.attach(server);
  await listen(server);
  return portOf(server);
}

/** Listens on loopback and a free port, or on a unix socket, until the test ends. */
export async function listen(server: Server, path?: string): Promise<void> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  if (path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  onCleanup(async () => {
    for (const socket of open) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  });
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Does a server listen? The server sees a connection that ends at once. */
export async function accepts({
  port = 0,
  socket: path,
}: {
  port?: number;
  socket?: string;
}): Promise<boolean> {
  const socket = connect(path === undefined ? { port, host: '127.0.0.1' } : { path });
  return new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}

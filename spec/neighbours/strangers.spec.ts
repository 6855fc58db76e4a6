import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, Server, type IncomingMessage, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { attach as attachEngineIo } from 'engine.io';
import express, { type Express } from 'express';
import expressWs from 'express-ws';
import HttpProxy from 'http-proxy';
import { Server as SocketIo } from 'socket.io';
import { createServer as createVite } from 'vite';
import { describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import type { Tunnel } from '../../src/index.js';
import { cleanUp, onCleanup } from '../support/cleanup.js';
import { closeFrame, frame, handshake, openRaw, RawClient } from '../support/raw-client.js';
import { listen, makeTunnel, portOf, startEcho } from '../support/servers.js';

// A server without a tunnel must behave, for clients and for upgrade listeners, exactly as in a process without
// the package. Each kind of server gets the same requests with and without a tunnel in the process.

/** Starts a server of one kind; `mount` is called if the server has an app for a tunnel. */
type Kind = (mount: (app: Express) => void) => Promise<Server>;

/** Records the emitted events without a listener. */
class Recorder extends Server {
  readonly events: string[] = [];

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event !== 'newListener' && event !== 'removeListener') this.events.push(String(event));
    return super.emit(event as string, ...args);
  }
}

async function recorder(listener: RequestListener): Promise<Recorder> {
  const server = new Recorder(listener);
  await listen(server);
  return server;
}

function greet(server: Server): WebSocketServer {
  const neighbour = new WebSocketServer({ server });
  neighbour.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.send('neighbour');
  });
  onCleanup(() => neighbour.close());
  return neighbour;
}

function withStatus(status: number): Kind {
  return async () => {
    const server = await recorder((_req, res) => res.writeHead(status, { Location: '/login' }).end());
    greet(server);
    return server;
  };
}

function appWith(build: (app: Express, server: Server) => void | Promise<void>): Kind {
  return async (mount) => {
    const app = express();
    const server = await recorder(app);
    mount(app);
    await build(app, server);
    return server;
  };
}

const requireLogin: express.RequestHandler = (_req, res) => void res.status(401).send('log in first');

const statuses = [200, 204, 301, 302, 400, 401, 403, 404, 405, 426, 500, 503];

const kinds: Record<string, Kind> = {
  'ws by port': async () => {
    const neighbour = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    neighbour.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.send('neighbour');
    });
    onCleanup(() => neighbour.close());
    await once(neighbour, 'listening');
    return (neighbour as unknown as { _server: Server })._server;
  },
  ...Object.fromEntries(
    statuses.map((status) => [`ws by server, pages answer ${status}`, withStatus(status)] as const),
  ),
  'Vite in middleware mode': appWith(async (app, server) => {
    const root = await mkdtemp(join(tmpdir(), 'wstunnel-vite-'));
    onCleanup(() => rm(root, { recursive: true }));
    const vite = await createVite({
      root,
      configFile: false,
      logLevel: 'silent',
      appType: 'custom',
      server: { middlewareMode: true, hmr: { server }, ws: undefined as never },
    });
    onCleanup(() => vite.close());
    app.use(vite.middlewares);
    greet(server);
  }),
  'socket.io': appWith((_app, server) => {
    const sockets = new SocketIo(server, { destroyUpgradeTimeout: 20 });
    onCleanup(() => void sockets.close());
  }),
  'engine.io': appWith((app, server) => {
    app.use(requireLogin);
    attachEngineIo(server, { destroyUpgradeTimeout: 20 });
  }),
  'an express-ws app': appWith((app, server) => {
    const withWs = expressWs(app, server).app;
    withWs.ws('/chat', (socket) => socket.send('chat'));
    withWs.use(requireLogin);
  }),
  'http-proxy': appWith(async (app, server) => {
    const far = createServer();
    greet(far);
    await listen(far);
    const proxy = HttpProxy.createProxyServer({ target: { host: '127.0.0.1', port: portOf(far) }, ws: true });
    proxy.on('error', () => undefined);
    app.use(requireLogin);
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => proxy.ws(req, socket, head));
  }),
  h2c: appWith((app, server) => {
    app.use(requireLogin);
    server.on('upgrade', (req: IncomingMessage, socket: Duplex) =>
      socket.end(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${req.headers.upgrade}\r\n\r\n`),
    );
  }),
  'an Express app with its own login': appWith((app, server) => {
    app.use(requireLogin);
    greet(server);
  }),
  'a mounted app with its own login': appWith((app, server) => {
    app.use(express().use(requireLogin));
    greet(server);
  }),
  'an Express app without upgrades': appWith((app) => {
    app.use(requireLogin);
  }),
  'a closure without upgrades': async () => recorder((req, res) => void res.end(`you asked for ${req.url}`)),
  'a closure that ends connections': async () =>
    recorder((_req, res) => void res.setHeader('Connection', 'close').end()),
};

/** A second request, which closes the connection. */
const end = 'GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

const requests: Record<string, string> = {
  'a WebSocket': handshake('/'),
  'a WebSocket on the path of the tunnel': handshake('/tunnel'),
  'a WebSocket by POST': handshake('/', { 'Content-Length': '0' }, 'POST'),
  'a WebSocket that asks for the end': handshake('/', { Connection: 'Upgrade, close' }),
  h2c: handshake('/', { Upgrade: 'h2c' }),
  'a page': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
};

/** Every byte from the server: the answer to the request, then to a second request or to a Close. */
async function exchange(port: number, request: string): Promise<string> {
  const client = new RawClient(port).send(request);
  const head = (await client.head()) ?? '';
  client.send(head.startsWith('HTTP/1.1 101') ? closeFrame(1000) : end);
  client.socket.end();
  const bytes = head + (await client.rest()).toString('latin1');
  client.socket.destroy();
  return bytes.replaceAll(/^Date: .*$/gm, 'Date: ...');
}

/** The answers to all requests, and the events of the server. */
async function behaviour(server: Server, asked: readonly string[]): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const request of asked) answers.push(await exchange(portOf(server), request));
  return [answers, server instanceof Recorder ? server.events.filter((event) => event !== 'close') : []];
}

const places = ['not mounted', 'mounted on another server', 'mounted on this server'] as const;
const orders = ['made before the server', 'made after it'] as const;

async function elsewhere(tunnel: Tunnel): Promise<void> {
  await listen(createServer(express().use('/tunnel', tunnel)));
}

describe('issue 12, case 1: a server without a tunnel behaves as without this package', () => {
  describe.each(Object.entries(kinds))('%s', (kind, start) => {
    test.each(orders.flatMap((order) => places.map((place) => [place, order] as const)))(
      'the tunnel is %s, %s',
      async (place, order) => {
        const isHere = place === 'mounted on this server';
        const asked = Object.entries(requests)
          .filter(([name]) => !isHere || !name.endsWith('the tunnel'))
          .map(([, request]) => request);
        const expected = await behaviour(await start(() => undefined), asked);
        await cleanUp();

        const { port: backend } = await startEcho();
        const make = () => makeTunnel({ server: { port: backend } });
        const isBefore = order === 'made before the server';
        const early = isBefore ? make() : undefined;
        let host: Express | undefined;
        const server = await start((app) => {
          host = app;
          if (isHere && early) app.use('/tunnel', early);
        });
        const tunnel = early ?? make();
        if (place === 'mounted on another server') await elsewhere(tunnel);
        // A server without an app cannot mount a tunnel.
        if (isHere && host === undefined) return;
        // engine.io hides the app, so an app with a mounted tunnel must be asked: see upgrade-listeners.spec.ts.
        if (isHere && kind.endsWith('.io')) return;
        // After the app's other handlers, a request reaches the tunnel only if a handler calls next().
        if (isHere && !isBefore) host?.use('/tunnel', tunnel);
        expect(await behaviour(server, asked)).toEqual(expected);

        if (!isHere || !isBefore) return;
        const client = await openRaw(portOf(server));
        client.send(frame(2, 'hello'));
        expect((await client.payload(5)).toString()).toBe('hello');
      },
    );
  });

  test('a request in one packet with an upgrade is handled in the same way', async () => {
    const run = async () => {
      const server = await recorder((req, res) => void res.end(req.url));
      server.keepAliveTimeout = 100;
      const client = new RawClient(portOf(server)).send(handshake('/one'), end);
      const bytes = (await client.rest()).toString('latin1');
      return [bytes.replaceAll(/^Date: .*$/gm, ''), server.events.filter((event) => event !== 'close')];
    };
    const expected = await run();
    await cleanUp();
    makeTunnel({ server: { port: 1 } });
    expect(await run()).toEqual(expected);
  });
});

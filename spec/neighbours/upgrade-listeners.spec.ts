import { once } from 'node:events';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express, { type Express } from 'express';
import expressWs from 'express-ws';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { Server as SocketIo } from 'socket.io';
import { io } from 'socket.io-client';
import { createServer as createVite } from 'vite';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { wstunnel } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { echoes, handshake, openRaw, RawClient, requestTunnel, statusOf } from '../support/raw-client.js';
import { makeTunnel, portOf, startEcho, startTunnel } from '../support/servers.js';
import { deferred, sleep } from '../support/wait.js';

/** The first message that a WebSocket library receives, or the status of a refusal. */
async function firstMessage(url: string): Promise<string> {
  const socket = new WebSocket(url);
  onCleanup(() => socket.terminate());
  return new Promise((resolve) => {
    socket.on('message', (data: Buffer) => resolve(data.toString()));
    socket.on('unexpected-response', (_req, res) => resolve(String(res.statusCode)));
    socket.on('error', (error) => resolve(error.message));
  });
}

/** Another upgrade listener that accepts every upgrade and greets its client. */
function greet(server: Server, options: object = {}): WebSocketServer {
  const neighbour = new WebSocketServer({ server, ...options });
  neighbour.on('connection', (socket) => socket.send('neighbour'));
  onCleanup(() => neighbour.close());
  return neighbour;
}

async function start(build: (app: Express, server: Server) => void) {
  const app = express();
  const server = createServer(app);
  build(app, server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return { app, server, port: portOf(server) };
}

async function startBeside(neighbour: (app: Express, server: Server) => void) {
  const { port: backend } = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend } });
  return {
    tunnel,
    ...(await start((app, server) => {
      app.use('/tunnel', tunnel);
      neighbour(app, server);
    })),
  };
}

describe('a ws server on the same http server', () => {
  test.each([
    ['greedy', {}],
    ['with a path', { path: '/neighbour' }],
  ])('%s: each gets the upgrades of its path', async (_kind, options) => {
    const { port, tunnel } = await startBeside((_app, server) => greet(server, options));
    await echoes(await openRaw(port));
    expect(await firstMessage(`ws://127.0.0.1:${port}/neighbour`)).toBe('neighbour');
    expect(tunnel.stats().opened).toBe(1);
  });

  test('works when it exists before the tunnel is mounted', async () => {
    const { port: backend } = await startEcho();
    const { app, port } = await start((_app, server) => greet(server));
    expect(await firstMessage(`ws://127.0.0.1:${port}/tunnel`)).toBe('neighbour');
    app.use('/tunnel', makeTunnel({ server: { port: backend } }));
    await echoes(await openRaw(port));
  });

  test("the app's refusal on the tunnel's path is the only answer", async () => {
    const { port: backend } = await startEcho();
    const { port } = await start((app, server) => {
      app.use('/tunnel', (_req, res) => res.sendStatus(401), makeTunnel({ server: { port: backend } }));
      greet(server);
    });
    const client = requestTunnel(port);
    expect((await client.answer()).status).toBe(401);
    expect((await client.rest()).toString()).toBe('Unauthorized');
  });

  test('a bad handshake at the tunnel is answered once', async () => {
    const { port } = await startBeside((_app, server) => greet(server));
    const client = new RawClient(port).send(handshake('/tunnel', {}, 'POST'));
    expect((await client.answer()).status).toBe(400);
    expect((await client.rest()).toString()).not.toContain('HTTP/1.1');
  });
});

describe('a ws server beside a tunnel hidden in a function', () => {
  test.each<[string, (app: Express, tunnel: ReturnType<typeof wstunnel>) => void]>([
    ['in a sub-app', (app, tunnel) => app.use('/tunnel', express().use(tunnel))],
    [
      'behind a page for everything',
      (app, tunnel) => {
        app.use('/tunnel', express().use(tunnel));
        app.use((_req, res) => res.send('<!doctype html>'));
      },
    ],
  ])('%s: each gets the upgrades of its path', async (_kind, mount) => {
    const { port: backend } = await startEcho();
    const { port } = await start((app, server) => {
      mount(app, makeTunnel({ server: { port: backend } }));
      greet(server);
    });
    await echoes(await openRaw(port));
    expect(await firstMessage(`ws://127.0.0.1:${port}/neighbour`)).toBe('neighbour');
    expect(await firstMessage(`ws://127.0.0.1:${port}/tunnel2`)).toBe('neighbour');
  });

  test('gets every upgrade until the tunnel in a closure is attached', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const app = express().use('/tunnel', tunnel);
    const { server, port } = await start(() => undefined);
    server.removeAllListeners('request');
    server.on('request', (req, res) => void app(req, res));
    greet(server);
    expect(await firstMessage(`ws://127.0.0.1:${port}/tunnel`)).toBe('neighbour');
    tunnel.attach(server, { path: '/tunnel' });
    await echoes(await openRaw(port));
    expect(await firstMessage(`ws://127.0.0.1:${port}/neighbour`)).toBe('neighbour');
  });

  test('leaves its upgrades to a tunnel attached with a path', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const { port } = await start((app, server) => {
      app.use('/tunnel', (req, res, next) => tunnel(req, res, next));
      greet(server);
      tunnel.attach(server, { path: '/tunnel', exclusive: true });
    });
    await echoes(await openRaw(port));
    expect(await firstMessage(`ws://127.0.0.1:${port}/neighbour`)).toBe('neighbour');
    // The other listener keeps the path /tunnels, although the app has no page for the path.
    expect(await firstMessage(`ws://127.0.0.1:${port}/tunnels`)).toBe('neighbour');
  });

  test('gets upgrades that the app does not answer, if the tunnel is attached without `exclusive`', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ url: '/yes', server: { port: backend } });
    const { port } = await start((app, server) => {
      app.use('/tunnel', (req, res, next) => tunnel(req, res, next));
      greet(server);
      tunnel.attach(server, { path: '/tunnel' });
    });
    await echoes(await openRaw(port, '/tunnel/yes'));
    expect(await firstMessage(`ws://127.0.0.1:${port}/tunnel/no`)).toBe('neighbour');
  });
});

test('socket.io works beside the tunnel, also while a login takes longer than its timeout', async () => {
  const { port: backend } = await startEcho();
  const slow = deferred<() => void>();
  const { port } = await start((app, server) => {
    const sockets = new SocketIo(server, { destroyUpgradeTimeout: 50 });
    sockets.on('connection', (socket) => socket.emit('hello', 'socket.io'));
    onCleanup(() => sockets.close());
    app.use(
      '/tunnel',
      (_req, _res, next) => slow.resolve(() => next()),
      makeTunnel({ server: { port: backend } }),
    );
  });
  const other = io(`http://127.0.0.1:${port}`, { transports: ['websocket'] });
  onCleanup(() => other.close());
  const hello = await new Promise<string>((resolve) => other.on('hello', resolve));
  expect(hello).toBe('socket.io');

  const client = requestTunnel(port);
  const goOn = await slow.promise;
  await sleep(100);
  goOn();
  expect((await client.answer()).status).toBe(101);
  await echoes(client);
});

test('express-ws keeps its routes', async () => {
  const { port: backend } = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend } });
  const { port } = await start((app, server) => {
    const withWs = expressWs(app, server).app;
    withWs.ws('/chat', (socket) => socket.send('express-ws'));
    withWs.use('/tunnel', tunnel);
  });
  await echoes(await openRaw(port));
  expect(await firstMessage(`ws://127.0.0.1:${port}/chat`)).toBe('express-ws');
});

test("http-proxy-middleware proxies its upgrades and not the tunnel's", async () => {
  const far = await startTunnel();
  const { port: backend } = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend } });
  const proxy = createProxyMiddleware({
    target: `http://127.0.0.1:${far.port}`,
    ws: true,
    pathFilter: '/tunnel',
  });
  const { port, server } = await start((app) => {
    app.use('/ours', (req, res, next) => (req.headers.cookie ? next() : res.sendStatus(401)), tunnel);
    app.use(proxy);
  });
  server.on('upgrade', (req, socket, head) => proxy.upgrade(req, socket as never, head));
  await echoes(await openRaw(port, '/ours', { Cookie: 'in' }));
  // A client without a login gets 401, although the neighbour would accept the upgrade.
  const outside = requestTunnel(port, '/ours');
  expect((await outside.answer()).status).toBe(401);
  await echoes(await openRaw(port, '/tunnel'));
  expect(far.tunnel.stats().opened).toBe(1);
  expect(tunnel.stats().opened).toBe(1);
});

test("Vite's dev server keeps its hot reload", async () => {
  const { port: backend } = await startEcho();
  const root = await mkdtemp(join(tmpdir(), 'wstunnel-vite-'));
  onCleanup(() => rm(root, { recursive: true }));
  const app = express();
  const server = createServer(app);
  const vite = await createVite({
    root,
    configFile: false,
    logLevel: 'silent',
    appType: 'custom',
    server: { middlewareMode: true, hmr: { server }, ws: undefined as never },
  });
  onCleanup(() => vite.close());
  app.use('/tunnel', makeTunnel({ server: { port: backend } }));
  app.use(vite.middlewares);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  await echoes(await openRaw(port));
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- as Vite's client does
  const reload = new WebSocket(`ws://127.0.0.1:${port}/?token=${vite.config.webSocketToken}`, 'vite-hmr');
  onCleanup(() => reload.terminate());
  const [message] = (await once(reload, 'message')) as [Buffer];
  expect(message.toString()).toContain('connected');
  server.close();
});

describe('several tunnels on one server', () => {
  test('closing one keeps the other and its listener', async () => {
    const { port: backend } = await startEcho();
    const [one, two] = [makeTunnel({ server: { port: backend } }), makeTunnel({ server: { port: backend } })];
    const { port, server } = await start((app) => app.use('/one', one).use('/two', two));
    const first = await openRaw(port, '/one');
    const second = await openRaw(port, '/two');
    await one.close({ timeout: 0.1 });
    expect(await first.close()).toMatchObject({ code: 1001 });
    await echoes(second);
    await echoes(await openRaw(port, '/two'));
    expect(await statusOf(port, '/one')).toBe(503);
    await two.close({ timeout: 0.1 });
    expect(server.listenerCount('upgrade')).toBe(0);
    expect(Object.hasOwn(server, 'emit')).toBe(false);
  });

  test('from two copies of this package work together', async () => {
    const copy = await mkdtemp(join(tmpdir(), 'wstunnel-copy-'));
    onCleanup(() => rm(copy, { recursive: true }));
    const root = join(import.meta.dirname, '../..');
    await cp(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
    await cp(join(root, 'package.json'), join(copy, 'package.json'));
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    const other = ((await import(join(copy, 'dist/index.js'))) as { wstunnel: typeof wstunnel }).wstunnel;

    const { port: backend } = await startEcho();
    const ours = makeTunnel({ server: { port: backend } });
    const theirs = other({ server: { port: backend } });
    onCleanup(() => theirs.close({ timeout: 0.2 }));
    const { port, server } = await start((app) => app.use('/ours', ours).use('/theirs', theirs));
    await echoes(await openRaw(port, '/theirs'));
    await echoes(await openRaw(port, '/ours'));
    expect(server.listenerCount('upgrade')).toBe(1);
    expect([ours.stats().opened, theirs.stats().opened]).toEqual([1, 1]);
  });
});

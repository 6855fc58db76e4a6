// Reports of users of comparable programs about apps and upgrades, tested on this tunnel. The page .github/THREATS.md lists all.
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { watchComplaints } from '../support/leftovers.js';
import {
  closeFrame,
  echoes,
  frame,
  handshake,
  openRaw,
  RawClient,
  requestTunnel,
  statusOf,
} from '../support/raw-client.js';
import {
  closedPort,
  makeTunnel,
  startApp,
  startBackend,
  startEcho,
  startHttp,
  startTunnel,
} from '../support/servers.js';
import { until } from '../support/wait.js';

test('http-proxy-middleware 432: the first request that a server ever gets may be the upgrade', async () => {
  const { port } = await startTunnel();
  await echoes(await openRaw(port));
});

test("express-ws 47, ws 326: the app's own login answers an upgrade with 401, and the backend sees nothing", async () => {
  const backend = await startEcho();
  const dialled: unknown[] = [];
  backend.server.on('connection', (socket) => dialled.push(socket));
  const { port } = await startApp((app) =>
    app.use(
      '/tunnel',
      (req, res, next) => {
        if (req.headers.authorization === 'Basic YTpi') next();
        else res.status(401).set('WWW-Authenticate', 'Basic').end('log in');
      },
      makeTunnel({ server: { port: backend.port } }),
    ),
  );
  const client = requestTunnel(port);
  expect(await client.answer()).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Basic' } });
  expect(dialled).toHaveLength(0);
  expect(await statusOf(port, '/tunnel', { Authorization: 'Basic YTpi' })).toBe(101);
});

test('express-ws 162, ws 1692: an upgrade for another path reaches the other listener unchanged', async () => {
  const { port, server } = await startTunnel();
  const other = new WebSocketServer({ noServer: true });
  server.on('upgrade', (req, socket, head) => {
    if (req.url === '/other')
      other.handleUpgrade(req, socket, head, (client) => client.send('from the other'));
  });
  await echoes(await openRaw(port));
  const client = await openRaw(port, '/other');
  expect((await client.frame())?.payload.toString()).toBe('from the other');
});

describe('http-proxy-middleware 327, 476, 777, node-http-proxy 1468: ECONNRESET ends the process', () => {
  const reset = (socket: { resetAndDestroy: () => void }) => socket.resetAndDestroy();

  test('http-proxy-middleware 327, node-http-proxy 1468: ECONNRESET from a client in any phase ends neither the process nor another tunnel', async () => {
    const complaints = watchComplaints();
    let ask: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (ask = resolve));
    const { port: target } = await startEcho();
    const { port, tunnel } = await startTunnel({
      server: async ({ url = '' }) => {
        if (url === '/hangs') {
          ask();
          await new Promise(() => undefined);
        }
        return { port: target };
      },
    });
    const other = await openRaw(port);
    const partly = new RawClient(port).send(handshake('/tunnel').slice(0, 40));
    await once(partly.socket, 'connect');
    reset(partly.socket);
    const hanging = requestTunnel(port, '/tunnel/hangs');
    await asked;
    reset(hanging.socket);
    for (const last of [frame(2, 'x'), frame(2, 'x', { length: 9 }), closeFrame(1000)]) {
      const client = await openRaw(port);
      client.send(last);
      reset(client.socket);
    }
    await until(() => tunnel.stats().open === 1 && tunnel.stats().opening === 0);
    await echoes(other);
    expect(complaints).toEqual([]);
  });

  test('http-proxy-middleware 476, 777: ECONNRESET from a backend in any phase ends neither the process nor another tunnel', async () => {
    const complaints = watchComplaints();
    const echo = await startEcho();
    const atOnce = await startBackend((socket) => reset(socket));
    const later = await startBackend((socket) => socket.once('data', () => reset(socket)));
    const ports = { '/at-once': atOnce.port, '/later': later.port } as Record<string, number>;
    const { port, tunnel } = await startTunnel({
      server: ({ url = '' }) => ({ port: ports[url] ?? echo.port }),
    });
    const other = await openRaw(port);
    for (let i = 0; i < 3; i++) await statusOf(port, '/tunnel/at-once');
    const client = await openRaw(port, '/tunnel/later');
    client.send(frame(2, 'x'));
    expect(await client.close()).toMatchObject({ code: 1011 });
    client.send(closeFrame(1011));
    await until(() => tunnel.stats().open === 1);
    await echoes(other);
    expect(complaints).toEqual([]);
  });
});

test('http-proxy-middleware 301: a tunnel serves its mount path only', async () => {
  const { port } = await startTunnel();
  expect([await statusOf(port, '/tunnel/x'), await statusOf(port, '/tunnel')]).toEqual([101, 101]);
  for (const path of ['/', '/tunnelx', '/x/tunnel', '/other']) expect(await statusOf(port, path)).toBe(404);
});

test('websockify 487, noVNC 553: a client of a backend that is down gets a status or a Close with a reason, not 1006', async () => {
  const server = { port: await closedPort() };
  expect(await statusOf((await startTunnel({ server })).port)).toBe(502);
  const client = await openRaw((await startTunnel({ server, refuseWith: 'close' })).port);
  expect(await client.close()).toMatchObject({
    code: 4502,
    reason: expect.stringMatching(/backend/) as unknown,
  });
});

test('noVNC 1276, websockify 266: the subprotocol binary is chosen if offered, and never required', async () => {
  const { port } = await startTunnel();
  for (const [offered, chosen] of [
    ['binary', 'binary'],
    ['base64, binary', 'binary'],
    ['chat', undefined],
    [undefined, undefined],
  ] as const) {
    const { status, headers } = await requestTunnel(port, '/tunnel', {
      'Sec-WebSocket-Protocol': offered,
    }).answer();
    expect([status, headers['sec-websocket-protocol']]).toEqual([101, chosen]);
  }
});

test("websockify 435: the origin is checked unless origins is '*'", async () => {
  const foreign = { Origin: 'https://evil.example' };
  expect(await statusOf((await startTunnel()).port, '/tunnel', foreign)).toBe(403);
  expect(await statusOf((await startTunnel({ origins: '*' })).port, '/tunnel', foreign)).toBe(101);
});

test('websockify 426, mhzed/wstunnel 40: the backend may be a stream of the app', async () => {
  const echo = () =>
    new Duplex({
      read: () => undefined,
      write(chunk: Buffer, _encoding, done) {
        this.push(Buffer.from(chunk));
        done();
      },
    });
  await echoes(await openRaw((await startTunnel({ server: { connect: echo } })).port));
});

test('node 53536, nest 13531: close() completes although a client never answers', async () => {
  // Without the timeout of close(), each tunnel would have these 60 seconds.
  const { port, tunnel } = await startTunnel({ closeTimeout: 60 });
  const client = await openRaw(port);
  await until(() => tunnel.stats().open === 1);
  client.socket.pause();
  await tunnel.close({ timeout: 0.1 });
  expect(tunnel.stats().open).toBe(0);
});

test('an address allowlist does not replace the origin check: a local tunnel refuses a page of another site', async () => {
  const { port } = await startTunnel({ allow: ['127.0.0.1'] });
  expect(await statusOf(port, '/tunnel', { Origin: 'https://evil.example' })).toBe(403);
  expect(await statusOf(port, '/tunnel', { Origin: 'http://127.0.0.1' })).toBe(101);
  const outside = await startTunnel({ allow: ['192.0.2.1'] });
  expect(await statusOf(outside.port, '/tunnel', { Origin: 'http://127.0.0.1' })).toBe(403);
});

test('Next.js GHSA-c4j6-fc7j-m34r: the target of a request never chooses the backend', async () => {
  const inner = await startBackend();
  const { port: target } = await startEcho();
  const tunnel = makeTunnel({ server: { port: target } });
  const { port } = await startHttp((req, res) => tunnel(req, res, () => res.end()));
  const address = `127.0.0.1:${inner.port}`;
  tunnel.attach((await startHttp(() => undefined)).server);
  for (const path of [`http://${address}/`, `//${address}/`, `/http://${address}`, `/@${address}`, address]) {
    const client = new RawClient(connectSocket(port, '127.0.0.1')).send(handshake(path, { Host: address }));
    await client.head();
    client.socket.destroy();
  }
  expect(inner.sockets.size).toBe(0);
});

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import connectApp from 'connect';
import express from 'express';
import express4 from 'express4';
import { describe, expect, test } from 'vitest';
import type { Tunnel } from '../../src/index.js';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { ask, connectHttp2, openOverHttp2, refusal, startHttp2 } from '../support/http2.js';
import { describeWith, Program } from '../support/programs.js';
import { frame, handshake, openRaw, pageRequest, RawClient, requestTunnel } from '../support/raw-client.js';
import { listen, makeTunnel, portOf, startEcho } from '../support/servers.js';

type Handler = (req: IncomingMessage, res: Parameters<Tunnel>[1], next: (error?: unknown) => void) => void;

/** A guard like an app's login: clients without the cookie get no tunnel. */
const guard: Handler = (req, res, next) => {
  if (req.headers.cookie === 'in') {
    res.setHeader('X-Guard', 'passed');
    next();
    return;
  }
  res.statusCode = 401;
  res.end('log in first');
};

const frameworks: Record<string, (tunnel: Tunnel) => RequestListener> = {
  'Express 5': (tunnel) => express().use('/tunnel', guard, tunnel),
  'Express 4': (tunnel) => express4().use('/tunnel', guard, tunnel),
  Connect: (tunnel) => connectApp().use('/tunnel', guard).use('/tunnel', tunnel),
  'plain http': (tunnel) => (req, res) => {
    const notFound = () => {
      res.statusCode = 404;
      res.end();
    };
    if (req.url?.startsWith('/tunnel')) guard(req, res, () => tunnel(req, res, notFound));
    else notFound();
  },
};

interface Reached {
  readonly dial: () => Socket;
}

const transports: Record<string, (listener: RequestListener) => Promise<Reached>> = {
  http: async (listener) => {
    const server = createHttpServer(listener);
    await listen(server);
    return { dial: () => connect(portOf(server), '127.0.0.1') };
  },
  https: async (listener) => {
    const server = createHttpsServer(certificate(), listener);
    await listen(server);
    return { dial: () => connectTls({ port: portOf(server), host: '127.0.0.1', ca: certificate().cert }) };
  },
  'a unix socket': async (listener) => {
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-unix-'));
    onCleanup(() => rm(folder, { recursive: true }));
    const path = join(folder, 'http.sock');
    await listen(createHttpServer(listener), path);
    return { dial: () => connect(path) };
  },
};

const Described = describeWith('openssl');

Described.each(Object.entries(frameworks))('%s', (_framework, appWith) => {
  test.each(Object.entries(transports))(
    'over %s: the first request is the upgrade',
    async (_transport, serve) => {
      const { port: backend } = await startEcho();
      const tunnel = makeTunnel({ server: { port: backend } });
      const { dial } = await serve(appWith(tunnel));
      const client = await openRaw(dial(), '/tunnel', { Cookie: 'in' });
      client.send(frame(2, 'hello'));
      expect((await client.payload(5)).toString()).toBe('hello');

      const outside = requestTunnel(dial());
      expect((await outside.answer()).status).toBe(401);
      expect((await outside.rest()).toString()).toBe('log in first');

      const elsewhere = requestTunnel(dial(), '/other');
      expect((await elsewhere.answer()).status).toBe(404);
      const plain = new RawClient(dial()).send(pageRequest('/other'));
      expect((await plain.answer()).status).toBe(404);

      const bad = requestTunnel(dial(), '/tunnel', { Cookie: 'in', 'Sec-WebSocket-Version': '8' });
      expect(await bad.answer()).toMatchObject({ status: 426, headers: { 'x-guard': 'passed' } });
      expect(tunnel.stats()).toMatchObject({ open: 1, opened: 1, refused: { WSTUNNEL_WRONG_VERSION: 1 } });
    },
  );
});

Described.each(Object.entries(frameworks))('%s', (_framework, appWith) => {
  test('over HTTP/2: the first stream is the upgrade', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const { port } = await startHttp2(appWith(tunnel));
    const http2 = await connectHttp2(port);
    const client = await openOverHttp2(http2, '/tunnel', { cookie: 'in' });
    client.send(frame(2, 'hello'));
    expect((await client.payload(5)).toString()).toBe('hello');
    expect(client.headers).toMatchObject({ 'x-guard': 'passed' });

    expect(await refusal(http2)).toMatchObject({ status: 401, body: 'log in first' });
    expect((await refusal(http2, '/other')).status).toBe(404);
    expect((await ask(http2, { ':method': 'GET', ':path': '/other' })).status).toBe(404);
    const old = { cookie: 'in', 'sec-websocket-version': '8' };
    expect(await refusal(http2, '/tunnel', old)).toMatchObject({
      status: 426,
      headers: { 'x-guard': 'passed' },
    });
    expect(tunnel.stats()).toMatchObject({ open: 1, opened: 1, refused: { WSTUNNEL_WRONG_VERSION: 1 } });
  });
});

describe.each([
  ['Express 5', express],
  ['Express 4', express4],
])('shapes of an app, %s', (_name, make) => {
  test.each<[string, (tunnel: Tunnel) => RequestListener]>([
    [
      'a closure around it',
      (tunnel) => {
        const app = make().use('/tunnel', tunnel);
        return (req, res) => void app(req, res);
      },
    ],
    [
      'nested routers with params',
      (tunnel) => make().use(make.Router().use('/:site', make.Router({ mergeParams: true }).use(tunnel))),
    ],
    ['a sub-app', (tunnel) => make().use('/tunnel', make().use(tunnel))],
    ['app.get', (tunnel) => make().get('/tunnel', tunnel)],
    ['router.get behind a mount', (tunnel) => make().use('/', make.Router().get('/tunnel', tunnel))],
    ['app.all of several handlers', (tunnel) => make().all('/tunnel', (_req, _res, next) => next(), tunnel)],
    ['a list of paths', (tunnel) => make().use(['/a', '/tunnel'], tunnel)],
  ])('%s', async (_shape, listenerOf) => {
    const { port: backend } = await startEcho();
    const server = createHttpServer(listenerOf(makeTunnel({ server: { port: backend } })));
    await listen(server);
    const client = await openRaw(portOf(server));
    client.send(frame(2, 'hello'));
    expect((await client.payload(5)).toString()).toBe('hello');
  });

  test('app.listen with the tunnel mounted afterwards', async () => {
    const { port: backend } = await startEcho();
    const app = make();
    const server = app.listen(0, '127.0.0.1');
    onCleanup(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    app.use('/tunnel', makeTunnel({ server: { port: backend } }));
    const client = await openRaw(portOf(server));
    client.send(frame(2, 'hello'));
    expect((await client.payload(5)).toString()).toBe('hello');
    client.socket.destroy();
  });
});

test.each(Object.keys(frameworks))(
  '%s in a cluster: each worker serves its first upgrade',
  async (framework) => {
    const { port: backend } = await startEcho();
    const app = new Program(process.execPath, [join(import.meta.dirname, 'cluster-app.mjs')], {
      BACKEND: String(backend),
      FRAMEWORK: framework,
    });
    const [, port] = await app.prints(/PORT=(\d+)/);
    const workers = new Set<string | undefined>();
    for (let i = 0; i < 2; i++) {
      const client = new RawClient(Number(port)).send(handshake('/tunnel'), frame(2, 'hello'));
      const answer = await client.answer();
      expect(answer.status).toBe(101);
      workers.add(answer.headers['x-worker']);
      expect((await client.payload(5)).toString()).toBe('hello');
    }
    expect(workers.size).toBe(2);
  },
);

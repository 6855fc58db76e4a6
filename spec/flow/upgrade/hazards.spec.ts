import { once } from 'node:events';
import { createServer } from 'node:http';
import express from 'express';
import session, { MemoryStore } from 'express-session';
import { describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { onCleanup } from '../../support/cleanup.js';
import { frame, handshake, openRaw, RawClient, requestTunnel } from '../../support/raw-client.js';
import { listen, makeTunnel, portOf, startApp, startEcho } from '../../support/servers.js';
import { deferred, until } from '../../support/wait.js';

async function startSite(build: (app: express.Express) => void) {
  const app = express();
  app.set('env', 'test');
  const server = createServer(app);
  build(app);
  await listen(server);
  return { server, port: portOf(server) };
}

describe('an upgrade beside another upgrade listener', () => {
  test('a path parameter that cannot be decoded does not end the process', async () => {
    const { port: backend } = await startEcho();
    const { port, server } = await startSite((app) => {
      app.get('/user/:id', (_req, res) => res.end());
      app.use('/tunnel', makeTunnel({ server: { port: backend } }));
    });
    server.on('upgrade', (_req, socket) => socket.end('HTTP/1.1 418 Neighbour\r\n\r\n'));
    const client = requestTunnel(port, '/user/%zz');
    expect((await client.answer()).status).toBe(418);
    await openRaw(port);
  });

  test('the other listener sees the whole URL although the app answered from within a mount', async () => {
    const { port: backend } = await startEcho();
    const { port, server } = await startSite((app) => {
      app.use('/hidden', express().use(makeTunnel({ url: '/yes', server: { port: backend } })));
      app.use('/hidden', (_req, res) => res.send('a page'));
    });
    const admin = new WebSocketServer({ server, path: '/admin' });
    onCleanup(() => admin.close());
    const seen = new Promise<string | undefined>((resolve) =>
      server.once('upgrade', ({ url }) => resolve(url)),
    );
    // Within the mount the URL is `/admin`; the other listener must see the full URL.
    const client = requestTunnel(port, '/hidden/admin');
    expect((await client.answer()).status).toBe(400);
    expect(await seen).toBe('/hidden/admin');
  });

  test('removeAllListeners is noticed at the next request', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const { port, server } = await startSite((app) => app.use('/tunnel', tunnel));
    await openRaw(port);
    server.removeAllListeners('upgrade');
    tunnel.attach(server);
    await openRaw(port);
  });
});

describe('an ordinary upgrade that is handed back to Node', () => {
  const start = async () => {
    const { port: backend } = await startEcho();
    return startSite((app) => {
      app.use('/tunnel', makeTunnel({ server: { port: backend } }));
      app.use((_req, res) => res.send('page'));
    });
  };
  const h2c = 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';

  test('emits one close event on the server', async () => {
    const { port, server } = await start();
    let closes = 0;
    server.on('close', () => closes++);
    const client = new RawClient(port).send(h2c);
    expect((await client.answer()).status).toBe(200);
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
    await client.ended();
    await new Promise((resolve) => setImmediate(resolve));
    expect(closes).toBe(1);
  });

  test('is closed by closeAllConnections', async () => {
    const { port, server } = await start();
    const client = new RawClient(port).send(h2c);
    expect((await client.answer()).status).toBe(200);
    server.closeAllConnections();
    await client.ended();
  });

  test('survives a client that resets while the previous answer is written', async () => {
    const { port: backend } = await startEcho();
    const slow = deferred<express.Response>();
    const { port, server } = await startSite((app) => {
      app.get('/slow', (_req, res) => slow.resolve(res));
      app.use('/tunnel', makeTunnel({ server: { port: backend } }));
    });
    const client = new RawClient(port).send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n', h2c);
    const res = await slow.promise;
    // In one event-loop turn: the write precedes the read of the reset, and fails when every listener has been removed.
    client.socket.resetAndDestroy();
    res.end('to nobody');
    await until(
      () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count === 0))),
    );
    await openRaw(port);
  });

  test('waits for the previous answer on the connection', async () => {
    const { port: backend } = await startEcho();
    const { port } = await startSite((app) => {
      app.get('/slow', (_req, res) => setImmediate(() => setImmediate(() => res.send('slow'))));
      app.use('/tunnel', makeTunnel({ server: { port: backend } }));
      app.use((_req, res) => res.send('page'));
    });
    const client = new RawClient(port).send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n', h2c);
    expect((await client.answer()).status).toBe(200);
    expect((await client.take(4)).toString()).toBe('slow');
    expect((await client.answer()).status).toBe(200);
    expect((await client.take(4)).toString()).toBe('page');
  });
});

describe('an upgrade at the end of the server', () => {
  test('that arrives while the response is finished opens no tunnel', async () => {
    const { port: backend, sockets } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const { server, port } = await startApp((app) =>
      app.use(
        '/tunnel',
        (_req, res, next) => {
          res.once('finish', () => server.close());
          next();
        },
        tunnel,
      ),
    );
    const client = requestTunnel(port);
    expect((await client.answer()).status).toBe(503);
    await until(() => sockets.size === 0);
    expect(tunnel.stats()).toMatchObject({ opened: 0, refused: { WSTUNNEL_DRAINING: 1 } });
  });

  test("gets 503 by HTTP under refuseWith 'close', and close() waits for a Close after an upgrade", async () => {
    const tunnel = makeTunnel({
      server: () => new Promise(() => undefined),
      refuseWith: 'close',
      closeTimeout: 30,
    });
    const { port } = await startApp((app) => app.use('/tunnel', tunnel));
    const client = requestTunnel(port);
    await until(() => tunnel.stats().opening === 1);
    const closing = tunnel.close({ timeout: 0.2 });
    expect((await client.answer()).status).toBe(101);
    expect(await client.close()).toMatchObject({ code: 4503 });
    await closing;
    await client.ended();
  });
});

describe('methods that a middleware has replaced', () => {
  test('a setHeader that throws costs one connection only', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend }, authenticate: () => false });
    const { port } = await startApp((app) =>
      app.use(
        '/tunnel',
        (_req, res, next) => {
          res.setHeader = () => {
            throw new Error('broken');
          };
          next();
        },
        tunnel,
      ),
    );
    const client = requestTunnel(port);
    await client.ended();
    expect(tunnel.stats().refused).toEqual({ WSTUNNEL_NOT_AUTHENTICATED: 1 });
  });

  test('an end() that withholds the last byte of a refusal is ended', async () => {
    class Hanging extends MemoryStore {
      override set() {
        // Never calls back.
      }
    }
    const { port: backend } = await startEcho();
    const { port } = await startApp((app) => {
      app.use(session({ secret: 's', resave: false, saveUninitialized: true, store: new Hanging() }));
      app.use(
        '/tunnel',
        (_req, res) => res.sendStatus(401),
        makeTunnel({ server: { port: backend }, handshakeTimeout: 0.1 }),
      );
    });
    const client = new RawClient(port).send(handshake('/tunnel'), frame(2, 'early'));
    expect((await client.answer()).status).toBe(401);
    await client.ended();
  });
});

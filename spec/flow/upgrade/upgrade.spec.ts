import { once } from 'node:events';
import { createServer, ServerResponse } from 'node:http';
import express, { Router, type Request, type Response } from 'express';
import { describe, expect, test } from 'vitest';
import { echoes, handshake, openRaw, RawClient, requestTunnel } from '../../support/raw-client.js';
import { makeTunnel, startApp, startEcho, startHttp, startTunnel } from '../../support/servers.js';
import { deferred, until } from '../../support/wait.js';

describe('the first request to the server can be the upgrade', () => {
  test.each<[string, (tunnel: ReturnType<typeof makeTunnel>) => Parameters<typeof createServer>[1]]>([
    ['createServer(app)', (tunnel) => express().use('/tunnel', tunnel)],
    [
      'a nested router with params',
      (tunnel) => express().use('/:site', Router({ mergeParams: true }).use('/', tunnel)),
    ],
    ['app.get', (tunnel) => express().get('/tunnel', tunnel)],
    ['a sub-app', (tunnel) => express().use('/tunnel', express().use(tunnel))],
    [
      'a closure around the app',
      (tunnel) => {
        const app = express().use('/tunnel', tunnel);
        return (req, res) => void app(req, res);
      },
    ],
    ['the tunnel itself', (tunnel) => (req, res) => tunnel(req, res, () => res.end())],
  ])('%s', async (_shape, listenerOf) => {
    const { port: backend } = await startEcho();
    const { port } = await startHttp(listenerOf(makeTunnel({ server: { port: backend } }))!);
    await echoes(await openRaw(port));
  });

  test('app.listen with a tunnel mounted afterwards', async () => {
    const { port: backend } = await startEcho();
    const { app, port } = await startApp(() => undefined);
    app.use('/tunnel', makeTunnel({ server: { port: backend } }));
    await echoes(await openRaw(port));
  });

  test('attach() with autoAttach off', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend }, autoAttach: false });
    const { server, port } = await startApp((app) => app.use('/tunnel', tunnel));
    const early = requestTunnel(port);
    expect((await early.answer()).status).toBe(503);
    expect(tunnel.attach(server)).toBe(tunnel);
    tunnel.attach(server);
    expect(server.listenerCount('upgrade')).toBe(1);
    await echoes(await openRaw(port));
  });

  test('a tunnel hidden in a function gets 503 once and a warning, then opens', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const { port } = await startApp((app) => app.use('/tunnel', (req, res, next) => tunnel(req, res, next)));
    const warned = once(process, 'warning') as Promise<[Error]>;
    const first = requestTunnel(port);
    expect((await first.answer()).status).toBe(503);
    expect((await warned)[0].message).toContain('tunnel.attach(server)');
    await echoes(await openRaw(port));
  });

  test('servers that do not use the tunnel get no listener', async () => {
    const { port } = await startTunnel();
    const other = await startApp((app) => app.get('/', (_req, res) => res.send('other')));
    await openRaw(port);
    expect(await (await fetch(`http://127.0.0.1:${other.port}/`)).text()).toBe('other');
    expect(other.server.listenerCount('upgrade')).toBe(0);
  });
});

describe('requests that are not for the tunnel', () => {
  test('go to next(): no upgrade, another path, no server', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ url: /^\/websockify$/, server: { port: backend } });
    const { port } = await startApp((app) => {
      app.use('/vnc', tunnel, makeTunnel({}), (req, res) => res.status(418).send(req.url));
    });
    expect((await fetch(`http://127.0.0.1:${port}/vnc/websockify`)).status).toBe(418);
    const elsewhere = requestTunnel(port, '/vnc/other');
    expect((await elsewhere.answer()).status).toBe(418);
    await openRaw(port, '/vnc/websockify?x=1');
    expect(tunnel.stats()).toMatchObject({ opened: 1, refused: {} });
  });
});

describe('answers of the app reach the client of an upgrade', () => {
  test.each([
    [401, (_req: Request, res: Response) => void res.status(401).set('WWW-Authenticate', 'Basic').end()],
    [302, (_req: Request, res: Response) => res.redirect('/login')],
    [429, (_req: Request, res: Response) => void res.status(429).set('Retry-After', '7').send('slow down')],
    [
      500,
      () => {
        throw new Error('broken');
      },
    ],
  ])('with status %d', async (status, guard) => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const { port } = await startApp((app) => app.use('/tunnel', guard, tunnel));
    const client = requestTunnel(port);
    const answer = await client.answer();
    expect(answer.status).toBe(status);
    expect(answer.headers.connection).toBe('close');
    // The server ends the connection after the answer, without bytes from the client.
    await client.ended();
    expect(tunnel.stats()).toMatchObject({ opened: 0, refused: {} });
  });

  test('with 404 for a path that no route serves', async () => {
    const { port } = await startTunnel();
    const client = requestTunnel(port, '/elsewhere');
    expect((await client.answer()).status).toBe(404);
    await client.ended();
  });

  test.each<[string, (res: Response) => void]>([
    ['setHeader', (res) => res.set('Connection', 'keep-alive').send('no')],
    [
      'writeHead, object',
      (res) => res.writeHead(200, { connection: 'keep-alive', 'Content-Length': 2 }).end('no'),
    ],
    [
      'writeHead, list',
      (res) => res.writeHead(200, 'fine', ['Connection', 'keep-alive', 'Content-Length', '2']).end('no'),
    ],
  ])('with Connection: close although the app sends keep-alive by %s', async (_way, say) => {
    const { port: backend } = await startEcho();
    const { port } = await startApp((app) =>
      app.use('/tunnel', (_req, res) => say(res), makeTunnel({ server: { port: backend } })),
    );
    const client = requestTunnel(port);
    const { headers } = await client.answer();
    expect(headers.connection).toBe('close');
    expect((await client.rest()).toString()).toBe('no');
  });

  test('completely, also a large one to a slow reader', async () => {
    const body = Buffer.alloc(5 * 1024 * 1024, 'x');
    const { port: backend } = await startEcho();
    const { port } = await startApp((app) =>
      app.use(
        '/tunnel',
        (_req, res) => {
          let sent = 0;
          const more = () => {
            while (sent < body.length) {
              const part = body.subarray(sent, (sent += 65536));
              if (!res.write(part)) return void res.once('drain', more);
            }
            res.end();
          };
          more();
        },
        makeTunnel({ server: { port: backend } }),
      ),
    );
    const client = requestTunnel(port, '/tunnel', { 'Sec-WebSocket-Key': 'any' });
    client.socket.pause();
    await once(client.socket, 'connect');
    setImmediate(() => client.socket.resume());
    await client.answer();
    expect((await client.rest()).length).toBeGreaterThanOrEqual(body.length);
  });

  test('WebSocket may be one of several requested protocols', async () => {
    const { port } = await startTunnel();
    await echoes(await openRaw(port, '/tunnel', { Upgrade: 'h2c, websocket' }));
  });

  test("the server's ServerResponse class is used", async () => {
    class Own extends ServerResponse {
      readonly mark = 'own';
    }
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const seen: unknown[] = [];
    const server = createServer({ ServerResponse: Own }, (req, res) => {
      seen.push(res.mark);
      tunnel(req, res, () => res.end());
    });
    const { port } = await startHttp((req, res) => server.emit('request', req, res));
    await openRaw(port);
    expect(seen).toEqual([undefined]);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port: own } = server.address() as { port: number };
    const client = await openRaw(own);
    expect(seen).toEqual([undefined, 'own']);
    client.socket.destroy();
    server.close();
  });
});

describe('a client that leaves during an upgrade', () => {
  test("by a reset inside the app's login disturbs no other client", async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const entered = deferred<Response>();
    const { port } = await startApp((app) =>
      app.use(
        '/tunnel',
        (req, res, next) => {
          if (req.query.wait === undefined) next();
          else entered.resolve(res);
        },
        tunnel,
      ),
    );
    const client = requestTunnel(port, '/tunnel?wait');
    const res = await entered.promise;
    const closed = once(res, 'close');
    client.socket.resetAndDestroy();
    await closed;
    // An answer after the reset is harmless, and other clients are served.
    res.status(500).send('too late');
    await echoes(await openRaw(port));
  });

  test('by an end: `close` is emitted on the response, and the socket is freed', async () => {
    const { port: backend } = await startEcho();
    const entered = deferred<[Request, Response]>();
    const { port } = await startApp((app) =>
      app.use(
        '/tunnel',
        (req, res) => entered.resolve([req, res]),
        makeTunnel({ server: { port: backend } }),
      ),
    );
    const client = requestTunnel(port);
    const [req, res] = await entered.promise;
    const closed = once(res, 'close');
    client.socket.end();
    await closed;
    expect(req.socket.destroyed).toBe(true);
    expect(req.destroyed).toBe(true);
  });

  test('an upgrade pipelined after a slow GET is answered after it', async () => {
    const { port: backend } = await startEcho();
    const slow = deferred<Response>();
    const { port } = await startApp((app) => {
      app.get('/slow', (_req, res) => slow.resolve(res));
      app.use('/tunnel', makeTunnel({ server: { port: backend } }));
    });
    const client = new RawClient(port).send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n', handshake('/tunnel'));
    const res = await slow.promise;
    await echoes(await openRaw(port));
    res.send('at last');
    const first = await client.answer();
    expect(first.status).toBe(200);
    expect((await client.take(7)).toString()).toBe('at last');
    expect((await client.answer()).status).toBe(101);
    await echoes(client);
  });

  test('an upgrade pipelined after a GET is dropped when its client leaves', async () => {
    const { port: backend } = await startEcho();
    const slow = deferred<Response>();
    const tunnel = makeTunnel({ server: { port: backend } });
    const { port } = await startApp((app) => {
      app.get('/slow', (_req, res) => slow.resolve(res));
      app.use('/tunnel', tunnel);
    });
    const client = new RawClient(port).send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n', handshake('/tunnel'));
    const res = await slow.promise;
    const closed = once(res, 'close');
    client.socket.resetAndDestroy();
    await closed;
    res.send('to nobody');
    expect(tunnel.stats().opened).toBe(0);
  });
});

describe('deadlines of an upgrade', () => {
  test('an app that neither answers nor calls next() is ended by handshakeTimeout', async () => {
    const { port: backend } = await startEcho();
    const { port } = await startApp((app) =>
      app.use('/tunnel', () => undefined, makeTunnel({ server: { port: backend }, handshakeTimeout: 0.1 })),
    );
    const client = requestTunnel(port);
    expect((await client.answer()).status).toBe(504);
    await client.ended();
  });

  test("the app's server.timeout still applies", async () => {
    const { port: backend } = await startEcho();
    const { server, port } = await startApp((app) =>
      app.use('/tunnel', () => undefined, makeTunnel({ server: { port: backend } })),
    );
    server.timeout = 100;
    const client = requestTunnel(port);
    expect((await client.rest()).length).toBe(0);
  });

  test('no tunnel opens after server.close()', async () => {
    const { port: backend } = await startEcho();
    const held = deferred<() => void>();
    const tunnel = makeTunnel({ server: { port: backend } });
    const { server, port } = await startApp((app) =>
      app.use('/tunnel', (_req, _res, next) => held.resolve(() => next()), tunnel),
    );
    const client = requestTunnel(port);
    const goOn = await held.promise;
    server.close();
    goOn();
    expect((await client.answer()).status).toBe(503);
    expect(tunnel.stats()).toMatchObject({ opened: 0, refused: { WSTUNNEL_DRAINING: 1 } });
    expect(tunnel.stats().backends[0]?.load).toBe(0);
  });
});

test('close() while the response is finished gets 503', async () => {
  const { port: backend, sockets } = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend } });
  const { port } = await startApp((app) =>
    app.use(
      '/tunnel',
      (_req, res, next) => {
        res.once('prefinish', () => void tunnel.close());
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

describe("an app's answer written after next()", () => {
  test('before the 101 replaces the 101', async () => {
    const { port: backend, sockets } = await startEcho();
    const tunnel = makeTunnel({
      server: { port: backend },
      authenticate: (req) => {
        (req as Request).res?.send('mine');
        return true;
      },
    });
    const { port } = await startApp((app) => app.use('/tunnel', tunnel));
    const client = requestTunnel(port);
    expect((await client.answer()).status).toBe(200);
    expect((await client.rest()).toString()).toBe('mine');
    expect(tunnel.stats()).toMatchObject({ opened: 0, refused: { WSTUNNEL_ANSWERED: 1 } });
    await until(() => sockets.size === 0);
  });

  test('after the 101 is not written into the tunnel', async () => {
    const { port: backend } = await startEcho();
    const answered = deferred<unknown>();
    const tunnel = makeTunnel({ server: { port: backend } });
    const { port } = await startApp((app) =>
      app.use(
        '/tunnel',
        (_req, res, next) => {
          tunnel.once('open', () => {
            try {
              res.write('into the tunnel?');
              res.end('into the tunnel?');
              res.status(500).send('into the tunnel?');
              answered.resolve(undefined);
            } catch (error) {
              answered.resolve(error);
            }
          });
          next();
        },
        tunnel,
      ),
    );
    const client = await openRaw(port);
    expect(await answered.promise).toMatchObject({ code: 'ERR_HTTP_HEADERS_SENT' });
    await echoes(client);
  });
});

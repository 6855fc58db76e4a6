import { once } from 'node:events';
import type { RequestHandler } from 'express';
import { describe, expect, test } from 'vitest';
import type { RefuseInfo, Tunnel, TunnelOptions } from '../../src/index.js';
import { connectHeaders, connectHttp2, openOverHttp2, refusal, startHttp2Tunnel } from '../support/http2.js';
import { frame, handshake, openRaw, RawClient, requestTunnel, statusOf } from '../support/raw-client.js';
import { closedPort, makeTunnel, startApp, startEcho, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

/** A middleware of the app that delays upgrades until the test calls next(). */
function gate() {
  const waiting: (() => void)[] = [];
  const handler: RequestHandler = (req, _res, next) => {
    if (req.headers['x-pass'] === '1') next();
    else waiting.push(next);
  };
  return { handler, waiting };
}

async function startGated(
  opening: NonNullable<TunnelOptions['limits']>['opening'],
  more: Partial<TunnelOptions> = {},
) {
  const { handler, waiting } = gate();
  const backend = await startEcho();
  const tunnel = makeTunnel({
    server: { port: backend.port },
    limits: { opening },
    ...more,
  } as TunnelOptions);
  const site = await startApp((app) => {
    app.use(handler);
    app.use('/tunnel', tunnel);
    app.use((_req, res) => void res.status(404).send('no page'));
  });
  const hold = async (path = '/tunnel', headers = {}) => {
    const before = waiting.length;
    const client = requestTunnel(site.port, path, headers);
    await until(() => waiting.length > before);
    return client;
  };
  const ask = (headers = {}, path = '/tunnel') =>
    requestTunnel(site.port, path, { 'X-Pass': '1', ...headers }).answer();
  return { ...site, tunnel, waiting, hold, ask };
}

function refusalsOf(tunnel: Tunnel): RefuseInfo[] {
  const all: RefuseInfo[] = [];
  tunnel.on('refuse', (info) => all.push(info));
  return all;
}

describe('issue 12, case 18: the limit limits.opening.total', () => {
  test.each([{ opening: 2 }, { opening: { total: 2 } }])(
    "%o is applied before the app's middleware sees the request",
    async ({ opening }) => {
      const { tunnel, waiting, hold, ask, port } = await startGated(opening);
      const events = refusalsOf(tunnel);
      const held = [await hold(), await hold()];
      const client = requestTunnel(port, '/tunnel?token=secret');
      const answer = await client.answer();
      expect(answer).toMatchObject({
        status: 503,
        headers: { 'retry-after': '1', connection: 'close', 'content-type': 'text/plain; charset=utf-8' },
      });
      expect((await client.rest()).toString()).toBe('too many tunnels are being opened\n');
      expect(waiting).toHaveLength(2);
      expect(events).toEqual([
        {
          id: expect.stringMatching(/^[\da-f-]{36}$/) as string,
          url: '/tunnel?token=***',
          address: '127.0.0.1',
          status: 503,
          code: 'WSTUNNEL_FULL',
          reason: 'too many tunnels are being opened',
        },
      ]);
      expect(tunnel.stats().refused).toEqual({ WSTUNNEL_FULL: 1 });
      // Open tunnels do not count.
      waiting.forEach((goOn) => goOn());
      for (const one of held) expect((await one.answer()).status).toBe(101);
      for (let n = 0; n < 4; n++) expect((await ask()).status).toBe(101);
      expect(tunnel.stats().open).toBe(6);
    },
  );

  test.each<
    [how: string, end: (client: RawClient, goOn: () => void) => unknown, options: Partial<TunnelOptions>]
  >([
    ['the client has left', (client) => client.socket.destroy(), {}],
    ['the client has ended', (client) => client.socket.end(), {}],
    [
      'the tunnel has refused',
      (_client, goOn) => goOn(),
      { authenticate: (req) => req.headers['x-pass'] === '1' },
    ],
    ['it is open', (_client, goOn) => goOn(), {}],
    ['the app has not answered in time', () => undefined, { handshakeTimeout: 0.1 }],
  ])('frees a slot once %s', async (_how, end, options) => {
    const { hold, ask, waiting } = await startGated(1, options);
    const client = await hold();
    expect((await ask()).status).toBe(503);
    end(client, waiting[0]!);
    await until(async () => (await ask()).status === 101);
    // Exactly one slot was freed.
    const again = await hold();
    expect((await ask()).status).toBe(503);
    again.socket.destroy();
    await until(async () => (await ask()).status === 101);
  });

  test('frees a slot after the backend failed or the app answered', async () => {
    const dead = await closedPort();
    const { ask } = await startGated(1, { server: { port: dead, disableTime: 0 } });
    for (let n = 0; n < 3; n++) expect((await ask()).status).toBe(502);
    const own = makeTunnel({ server: { port: dead }, limits: { opening: 1 } });
    const { port } = await startApp((app) => {
      app.use('/tunnel', (_req, res) => {
        // The answer never ends, but an answered request no longer counts as an opening.
        res.writeHead(401).write('log in');
      });
      app.use('/tunnel', own);
    });
    for (let n = 0; n < 3; n++) {
      const client = requestTunnel(port);
      expect((await client.answer()).status).toBe(401);
    }
  });

  test('ignores requests that lead to no tunnel', async () => {
    const { hold, ask, waiting, port } = await startGated(1);
    const pages = [await hold('/other'), await hold('/other')];
    expect((await ask()).status).toBe(101);
    await hold();
    expect((await ask({}, '/other')).status).toBe(404);
    const page = new RawClient(port).send('GET /tunnel HTTP/1.1\r\nHost: a\r\nX-Pass: 1\r\n\r\n');
    expect((await page.answer()).status).toBe(404);
    waiting.forEach((goOn) => goOn());
    for (const one of pages) expect((await one.answer()).status).toBe(404);
  });

  test('is separate for each tunnel of a server', async () => {
    const { handler, waiting } = gate();
    const { port: backend } = await startEcho();
    const one = makeTunnel({ server: { port: backend }, limits: { opening: 1 } });
    const two = makeTunnel({ server: { port: backend }, limits: { opening: 1 } });
    const { port } = await startApp((app) => app.use(handler).use('/one', one).use('/two', two));
    const ask = async (path: string, headers = {}) => await statusOf(port, path, headers);
    requestTunnel(port, '/one');
    await until(() => waiting.length === 1);
    expect([await ask('/one'), await ask('/two', { 'X-Pass': '1' })]).toEqual([503, 101]);
    expect([one.stats().refused, two.stats().refused]).toEqual([{ WSTUNNEL_FULL: 1 }, {}]);
  });

  test('applies to a tunnel hidden in a function where no other listener exists', async () => {
    const { handler, waiting } = gate();
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend }, limits: { opening: 1 } });
    const { port, server } = await startApp((app) =>
      app.use(handler).use('/tunnel', (req, res, next) => tunnel(req, res, next)),
    );
    tunnel.attach(server);
    requestTunnel(port);
    await until(() => waiting.length === 1);
    const client = requestTunnel(port);
    expect((await client.answer()).status).toBe(503);
  });

  test("next to another listener does not refuse requests that may be the listener's", async () => {
    const { handler, waiting } = gate();
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend }, limits: { opening: 1 } });
    const { port, server } = await startApp((app) =>
      app.use(handler).use('/tunnel', (req, res, next) => tunnel(req, res, next)),
    );
    tunnel.attach(server, { path: '/tunnel' });
    server.on('upgrade', (req, socket) => {
      if (req.url === '/chat') socket.end('HTTP/1.1 418 Theirs\r\n\r\n');
    });
    requestTunnel(port);
    await until(() => waiting.length === 1);
    const client = requestTunnel(port, '/chat');
    expect((await client.answer()).status).toBe(418);
  });

  test('applies to upgrades after unfinished answers on the same connection', async () => {
    const { handler, waiting } = gate();
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend }, limits: { opening: 1 } });
    let finish: (() => void) | undefined;
    const { port } = await startApp((app) => {
      app.get('/page', (_req, res) => void (finish = () => res.end('the page')));
      app.use(handler).use('/tunnel', tunnel);
    });
    requestTunnel(port);
    await until(() => waiting.length === 1);
    const client = new RawClient(port).send('GET /page HTTP/1.1\r\nHost: a\r\n\r\n', handshake('/tunnel'));
    await until(() => finish !== undefined && tunnel.stats().refused.WSTUNNEL_FULL === 1);
    finish?.();
    expect((await client.rest()).toString()).toMatch(
      /^HTTP\/1.1 200 [^]*the page[^]*HTTP\/1.1 503 [^]*being opened\n$/,
    );
  });

  test('applies over HTTP/2', async () => {
    const { handler, waiting } = gate();
    const { port } = await startHttp2Tunnel({ limits: { opening: 1 } }, (app) => app.use(handler));
    const session = await connectHttp2(port);
    const stream = session.request(connectHeaders(), { endStream: false });
    stream.on('error', () => undefined);
    await until(() => waiting.length === 1);
    expect(await refusal(session)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      body: 'too many tunnels are being opened\n',
    });
    stream.close();
    await once(stream, 'close');
    await until(async () => (await refusal(session, '/other', { 'x-pass': '1' })).status === 404);
    const client = await openOverHttp2(session, '/tunnel', { 'x-pass': '1' });
    expect((await client.send(frame(2, 'x')).frame())?.payload.toString()).toBe('x');
  });

  test('in a burst above it every request is answered', async () => {
    const { port, tunnel } = await startTunnel({ limits: { opening: 5 } });
    const all = Array.from({ length: 60 }, async () => await statusOf(port));
    const statuses = await Promise.all(all);
    expect(statuses.filter((status) => status !== 101 && status !== 503)).toEqual([]);
    expect(tunnel.stats().opened).toBe(statuses.filter((status) => status === 101).length);
    expect(tunnel.stats().opened).toBeGreaterThanOrEqual(5);
    expect(tunnel.stats().opening).toBe(0);
  });

  test('0 disables the limit', async () => {
    const { hold, ask } = await startGated({ total: 0, perClient: 0 });
    for (let n = 0; n < 20; n++) await hold();
    expect((await ask()).status).toBe(101);
  });

  test('has a default', async () => {
    const { port, tunnel } = await startTunnel({ authenticate: () => new Promise(() => undefined) });
    const clients = Array.from({ length: 751 }, () => requestTunnel(port));
    await until(() => tunnel.stats().refused.WSTUNNEL_TOO_MANY === 1);
    for (const client of clients) client.socket.destroy();
    await until(() => tunnel.stats().opening === 0);
  });
});

describe('issue 12, case 18: the limit limits.opening.perClient', () => {
  test('applies once the address is known: that client alone gets 429', async () => {
    let settle: (() => void)[] = [];
    const { port, tunnel } = await startTunnel({
      limits: { opening: { perClient: 2 } },
      clientAddress: (req) => Promise.resolve(String(req.headers['x-address'])) as unknown as string,
      authenticate: () => new Promise((resolve) => settle.push(() => resolve(true))),
    });
    const events = refusalsOf(tunnel);
    const from = (address: string) => requestTunnel(port, '/tunnel', { 'X-Address': address });
    const held = [from('2001:db8::1'), from('[2001:db8::2]:443')];
    await until(() => settle.length === 2);
    expect(await from('2001:db8::3').answer()).toMatchObject({
      status: 429,
      headers: { 'retry-after': '1' },
    });
    expect(events).toMatchObject([
      {
        code: 'WSTUNNEL_TOO_MANY',
        status: 429,
        address: '2001:db8::3',
        reason: 'too many tunnels are being opened by this client',
      },
    ]);
    const other = from('192.0.2.1');
    await until(() => settle.length === 3);
    settle.forEach((goOn) => goOn());
    settle = [];
    for (const one of [...held, other]) expect((await one.answer()).status).toBe(101);
    const again = from('2001:db8::4');
    await until(() => settle.length === 1);
    settle[0]?.();
    expect((await again.answer()).status).toBe(101);
  });

  test('a refused client holds no slot', async () => {
    const { port } = await startTunnel({ limits: { opening: { perClient: 1 } }, deny: ['127.0.0.1'] });
    for (let n = 0; n < 5; n++) {
      const client = requestTunnel(port);
      expect((await client.answer()).status).toBe(403);
    }
    const open = await startTunnel({ limits: { opening: { total: 1, perClient: 1 } } });
    for (let n = 0; n < 5; n++) await openRaw(open.port);
  });
});

import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { describe, expect, test } from 'vitest';
import type { ClosedInfo, Tunnel } from '../../src/index.js';
import { descriptors, watchTimers } from '../support/leftovers.js';
import { connectHttp2, openOverHttp2, refusal, startHttp2Tunnel } from '../support/http2.js';
import { closeFrame, echoes, openRaw, requestTunnel, type RawClient } from '../support/raw-client.js';
import { listen, makeTunnel, portOf, startEcho, startTunnel } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';

/** Longer than any test. */
const GRACE = { grace: 3600, spread: 3600 };

/** Reads the Close, and answers it. */
async function farewell(client: RawClient): Promise<{ code: number; reason: string } | undefined> {
  const close = await client.close();
  if (close) client.send(closeFrame(close.code)).socket.end();
  return close;
}

async function closed(tunnel: Tunnel): Promise<ClosedInfo> {
  return (await once(tunnel, 'close'))[0] as ClosedInfo;
}

describe('during the grace of close()', () => {
  test('open tunnels go on, and new requests get 503 with Retry-After', async () => {
    const { port, tunnel, server } = await startTunnel();
    const client = await openRaw(port);
    const closing = tunnel.close(GRACE);
    expect(tunnel.draining).toBe(true);
    expect(await requestTunnel(port).answer()).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1', connection: 'close' },
    });
    await echoes(client, 'going on');
    expect(tunnel.stats()).toMatchObject({ open: 1, opened: 1, refused: { WSTUNNEL_DRAINING: 1 } });
    expect(server.listenerCount('upgrade')).toBe(1);
    client.socket.destroy();
    await closing;
    expect(server.listenerCount('upgrade')).toBe(0);
  });

  test.each(['autoAttach', 'attach()'])(
    'new requests reach the tunnel, not other upgrade listeners: %s',
    async (how) => {
      const { port, tunnel, server } = await startTunnel({ autoAttach: how === 'autoAttach' });
      server.on('upgrade', (_req, socket) => socket.end('HTTP/1.1 418 Other\r\n\r\n'));
      if (how === 'attach()') tunnel.attach(server, { path: '/tunnel', exclusive: true });
      const client = await openRaw(port);
      const closing = tunnel.close(GRACE);
      expect((await requestTunnel(port).answer()).status).toBe(503);
      await echoes(client);
      client.socket.destroy();
      await closing;
      expect((await requestTunnel(port).answer()).status).toBe(418);
    },
  );

  test('new requests get 503 from a plain http server too', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const server = createHttpServer((req, res) => tunnel(req, res, () => res.writeHead(404).end()));
    tunnel.attach(server, { path: '/tunnel' });
    await listen(server);
    const client = await openRaw(portOf(server));
    void tunnel.close(GRACE);
    expect(await requestTunnel(portOf(server)).answer()).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
    });
    await echoes(client);
  });

  test('new streams of HTTP/2 get 503 with Retry-After, and open streams go on', async () => {
    const { port, tunnel } = await startHttp2Tunnel();
    const session = await connectHttp2(port);
    const client = await openOverHttp2(session);
    const closing = tunnel.close(GRACE);
    const answer = await refusal(session);
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
    await echoes(client);
    client.send(closeFrame(1000));
    await client.close();
    client.stream.close();
    await closing;
    expect(tunnel.stats()).toMatchObject({ open: 0, closed: { 1000: 1 } });
  });

  test('a request before its 101 response gets 503 with Retry-After at once', async () => {
    let asked = 0;
    const { port, tunnel } = await startTunnel({
      authenticate: (req) => (req.headers['x-slow'] ? new Promise(() => asked++) : true),
    });
    await openRaw(port);
    const late = requestTunnel(port, '/tunnel', { 'X-Slow': '1' });
    await until(() => asked === 1);
    void tunnel.close(GRACE);
    expect(await late.answer()).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  });

  test('a page with refuseWith: close learns of the 503, and close() waits for that connection', async () => {
    const { port, tunnel } = await startTunnel({ refuseWith: 'close', closeTimeout: 60 });
    const client = await openRaw(port);
    const closing = tunnel.close({ ...GRACE, timeout: 0.05 });
    const late = requestTunnel(port);
    expect((await late.answer()).status).toBe(101);
    expect(await late.close()).toMatchObject({ code: 4503 });
    client.socket.destroy();
    await closing;
    await late.ended();
  });

  test('end() ends a tunnel', async () => {
    const { port, tunnel } = await startTunnel({ user: () => 'ann' });
    const client = await openRaw(port);
    const closing = tunnel.close(GRACE);
    expect(tunnel.tunnels()).toMatchObject([{ user: 'ann' }]);
    expect(await tunnel.end({ user: 'ann' })).toMatchObject({ ended: 1 });
    expect(await farewell(client)).toMatchObject({ code: 1008 });
    await closing;
  });

  test.each(['server.close()', 'only tunnel.close()'])('a tunnel ends with its login: %s', async (how) => {
    let isLoggedIn = true;
    let checks = 0;
    const { port, tunnel, server } = await startTunnel({
      revalidate: 0.1,
      authenticate: () => {
        checks++;
        return isLoggedIn;
      },
    });
    const client = await openRaw(port);
    if (how === 'server.close()') server.close();
    const closing = tunnel.close(GRACE);
    checks = 0;
    await until(() => checks > 1);
    await echoes(client, 'logged in');
    isLoggedIn = false;
    const ended = closed(tunnel);
    expect(await farewell(client)).toMatchObject({ code: 1008 });
    expect(await ended).toMatchObject({ cause: 'login-ended' });
    await closing;
    checks = 0;
    await sleep(300);
    expect(checks).toBe(0);
  });

  test.each([
    ['idleTimeout', { idleTimeout: 0.3 }, 'idle'],
    ['maxDuration', { maxDuration: 0.3 }, 'max-duration'],
    ['pongTimeout', { pingInterval: 0.1, pongTimeout: 0.2 }, 'client-silent'],
  ])('%s still ends a tunnel', async (_name, options, cause) => {
    const { port, tunnel } = await startTunnel({ ...options, closeTimeout: 0.1 });
    const client = await openRaw(port);
    const ended = closed(tunnel);
    await tunnel.close(GRACE);
    expect(await ended).toMatchObject({ cause });
    client.socket.destroy();
  });

  test('the end of the last tunnel ends close(), which leaves no timer, listener or descriptor', async () => {
    const { port, tunnel, server } = await startTunnel({ pingInterval: 30, idleTimeout: 60, revalidate: 60 });
    const listeners = () => server.eventNames().map((name) => [name, server.listenerCount(name)]);
    const before = { listeners: listeners(), descriptors: descriptors() };
    const timers = watchTimers();
    const clients = [await openRaw(port), await openRaw(port)];
    let isOver = false;
    const closing = tunnel.close(GRACE).then(() => (isOver = true));
    clients[0]!.socket.destroy();
    await until(() => tunnel.stats().open === 1);
    expect(isOver).toBe(false);
    clients[1]!.send(closeFrame(1000)).socket.end();
    await closing;
    await until(() => timers() === 0 && descriptors() <= before.descriptors);
    expect(listeners()).toEqual(before.listeners);
  });
});

describe('after the grace of close()', () => {
  test('the rest gets the Close', async () => {
    const { port, tunnel } = await startTunnel();
    const client = await openRaw(port);
    const start = performance.now();
    const closing = tunnel.close({ grace: 0.3, code: 1012, reason: 'restart' });
    expect(await farewell(client)).toEqual({ code: 1012, reason: 'restart' });
    expect(performance.now() - start).toBeGreaterThan(299);
    await closing;
  });

  test('connections that answer no Close are destroyed after the timeout', async () => {
    const { port, tunnel } = await startTunnel({ closeTimeout: 60 });
    const client = await openRaw(port);
    await tunnel.close({ grace: 0.05, spread: 0.05, timeout: 0.05 });
    expect(tunnel.stats()).toMatchObject({ open: 0 });
    await client.ended();
  });

  test('the Closes come no faster than spread says', async () => {
    const { port, tunnel } = await startTunnel();
    const clients = await Promise.all(Array.from({ length: 10 }, () => openRaw(port)));
    const start = performance.now();
    const times: number[] = [];
    const closing = tunnel.close({ spread: 1 });
    await Promise.all(
      clients.map(async (client) => {
        expect(await farewell(client)).toMatchObject({ code: 1001 });
        times.push(performance.now() - start);
      }),
    );
    await closing;
    times.sort((a, b) => a - b);
    // 100 ms apart, of which the first is up to 100 ms late and one may be caught up.
    for (const [index, time] of times.entries()) expect(time).toBeGreaterThan((index - 1) * 100 - 60);
  });

  test('logins are checked until the Close of each tunnel', async () => {
    const denied = new Set<string>();
    const { port, tunnel } = await startTunnel({
      revalidate: 0.1,
      user: (req) => req.headers['x-user'] as string,
      authenticate: (req) => !denied.has(req.headers['x-user'] as string),
    });
    const clients = await Promise.all(
      Array.from({ length: 4 }, (_, index) => openRaw(port, '/tunnel', { 'X-User': `user ${index}` })),
    );
    const closing = tunnel.close({ spread: 3600 });
    for (let index = 0; index < 4; index++) denied.add(`user ${index}`);
    const codes = await Promise.all(clients.map(async (client) => (await farewell(client))?.code));
    // The first Close may come at once, the second after a quarter of an hour.
    expect(codes.filter((code) => code === 1008).length).toBeGreaterThanOrEqual(3);
    await closing;
  });
});

describe('a second close()', () => {
  test('ends the grace at once, and both calls are over when all is closed', async () => {
    const { port, tunnel, server } = await startTunnel();
    const client = await openRaw(port);
    const first = tunnel.close({ ...GRACE, code: 4000, reason: 'maintenance' });
    await echoes(client);
    const second = tunnel.close();
    expect(await farewell(client)).toEqual({ code: 4000, reason: 'maintenance' });
    await Promise.all([first, second]);
    expect(tunnel.stats().open).toBe(0);
    expect(server.listenerCount('upgrade')).toBe(0);
  });

  test('may give another code and reason', async () => {
    const { port, tunnel } = await startTunnel();
    const client = await openRaw(port);
    void tunnel.close(GRACE);
    void tunnel.close({ grace: 0.05, code: 1012, reason: 'now' });
    expect(await farewell(client)).toEqual({ code: 1012, reason: 'now' });
  });

  test('may come from asyncDispose', async () => {
    const { port, tunnel } = await startTunnel({ closeTimeout: 0.05 });
    const client = await openRaw(port);
    void tunnel.close(GRACE);
    const disposed = tunnel[Symbol.asyncDispose]();
    expect(await farewell(client)).toMatchObject({ code: 1001 });
    await disposed;
  });

  test('from a listener of the first does no harm', async () => {
    const { port, tunnel } = await startTunnel({ closeTimeout: 0.05 });
    await openRaw(port);
    const again: Promise<void>[] = [];
    tunnel.on('close', () => again.push(tunnel.close({ timeout: 0 })));
    const first = tunnel.close();
    await first;
    expect(again.length).toBeGreaterThan(0);
    for (const one of again) expect(one).toBe(first);
  });

  test('with a wrong option throws and changes nothing', async () => {
    const { port, tunnel } = await startTunnel();
    const client = await openRaw(port);
    void tunnel.close(GRACE);
    expect(() => void tunnel.close({ grace: -1 })).toThrow('close().grace');
    await echoes(client);
  });
});

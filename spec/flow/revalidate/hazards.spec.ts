import { AsyncLocalStorage } from 'node:async_hooks';
import type { Server } from 'node:http';
import express, { type Express } from 'express';
import express4 from 'express4';
import { describe, expect, test, vi } from 'vitest';
import { onCleanup } from '../../support/cleanup.js';
import { watchComplaints, watchTimers } from '../../support/leftovers.js';
import { requestTunnel } from '../../support/raw-client.js';
import { makeTunnel, startBackend, startEcho, startHttp } from '../../support/servers.js';
import { deferred, sleep, until } from '../../support/wait.js';
import {
  closed,
  closeOf,
  echoTunnel,
  EVERY,
  expectOpen,
  open,
  openSeveral,
  startBehind,
  type Marked,
} from './site.js';

describe.each([
  ['Express 5', express as () => Express],
  ['Express 4', express4 as unknown as () => Express],
])('%s', (name, make) => {
  const fails: [string, (next: (error: unknown) => void) => unknown][] = [
    ['calls next(error)', (next) => next(new Error('on purpose'))],
    [
      'throws',
      () => {
        throw new Error('on purpose');
      },
    ],
    ['calls next(error) later', (next) => setImmediate(next, new Error('on purpose'))],
  ];
  // Express 4 does not know promises.
  if (name === 'Express 5') fails.push(['rejects', () => Promise.reject(new Error('on purpose'))]);

  test.each(fails)('a middleware that %s keeps the tunnel', async (_case, fail) => {
    const complaints = watchComplaints();
    const tunnel = await echoTunnel();
    let checks = 0;
    const app = make().set('env', 'test');
    app.use('/tunnel', (req, _res, next) => {
      if (!(req as Marked).wstunnelCheck) {
        next();
        return undefined;
      }
      checks++;
      return fail(next);
    });
    app.use('/tunnel', tunnel);
    const { port } = await startHttp(app as never);
    const client = await open(port);
    await until(() => checks >= 4);
    await expectOpen(client);
    expect(complaints).toEqual([]);
  });
});

test('a client that reads nothing loses its tunnel within closeTimeout after the login', async () => {
  let isIn = true;
  const { port: backend } = await startBackend((socket) => {
    const write = () => {
      while (socket.write(Buffer.alloc(65_536)));
    };
    socket.on('drain', write);
    write();
  });
  const tunnel = makeTunnel({ server: { port: backend }, revalidate: EVERY, closeTimeout: 0.5 });
  const { server, port } = await startHttp((req, res) => {
    if (isIn) tunnel(req, res, () => res.end());
    else res.writeHead(401).end();
  });
  tunnel.attach(server, { path: '/tunnel' });
  const client = requestTunnel(port);
  await client.answer();
  client.socket.pause();
  const ended = closed(tunnel);
  await sleep(3 * EVERY * 1000);
  expect(tunnel.stats().open).toBe(1);
  isIn = false;
  await ended;
  expect(tunnel.stats().open).toBe(0);
  client.socket.destroy();
});

test('a login that ends while the tunnel opens ends the tunnel within the interval', async () => {
  const dialling = deferred();
  const { port: backend } = await startEcho();
  const tunnel = makeTunnel({
    revalidate: 0.5,
    server: async () => {
      await dialling.promise;
      return { port: backend };
    },
  });
  let isIn = true;
  let arrived = 0;
  const { server, port } = await startHttp((req: Marked, res) => {
    if (!req.wstunnelCheck) arrived = performance.now();
    if (isIn) tunnel(req, res, () => res.end());
    else res.writeHead(401).end();
  });
  tunnel.attach(server, { path: '/tunnel' });
  const client = requestTunnel(port);
  await until(() => arrived > 0);
  isIn = false;
  await sleep(200);
  const ended = closed(tunnel);
  dialling.resolve();
  expect((await client.answer()).status).toBe(101);
  expect(await closeOf(client)).toBe('1008 the login has ended');
  // The interval counts from the arrival of the request; some time for a busy machine.
  expect(performance.now() - arrived).toBeLessThan(500 + 2000);
  expect(await ended).toMatchObject({ cause: 'login-ended' });
});

test('end() during the opening is remembered, also with revalidate', async () => {
  const gate = deferred();
  const tunnel = await echoTunnel({ authenticate: () => gate.promise.then(() => true), user: () => 'ann' });
  const { server, port } = await startHttp((req, res) => tunnel(req, res, () => res.end()));
  tunnel.attach(server, { path: '/tunnel' });
  const client = requestTunnel(port);
  await until(() => tunnel.stats().opening === 1);
  tunnel.end(({ user }) => user === 'ann');
  gate.resolve();
  expect((await client.answer()).status).toBe(403);
});

test.each([86_400_000, -86_400_000])('a step of the clock by %i ms changes nothing', async (step) => {
  let isIn = true;
  const { port, checks } = await startBehind(
    (_req, res, reach) => {
      if (isIn) reach();
      else res.writeHead(401).end();
    },
    { revalidate: { every: EVERY, failAfter: 5 } },
  );
  const client = await open(port);
  await until(() => checks.length >= 2);
  const now = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => now.call(Date) + step);
  onCleanup(() => void vi.restoreAllMocks());
  const before = checks.length;
  await sleep(4 * EVERY * 1000);
  expect(checks.length - before).toBeGreaterThan(0);
  expect(checks.length - before).toBeLessThan(8);
  await expectOpen(client);
  isIn = false;
  expect(await closeOf(client)).toBe('1008 the login has ended');
});

test('what one check enters in an AsyncLocalStorage does not reach the next', async () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const { port } = await startBehind((_req, _res, reach) => {
    seen.push(storage.getStore());
    storage.enterWith('of a check');
    // As middleware that goes on later.
    setImmediate(reach);
  });
  // Several checks begin in one event-loop turn.
  await openSeveral(port, 12);
  await until(() => seen.length >= 60);
  expect(seen.filter((one) => one !== undefined)).toEqual([]);
});

test('the context of the request that opens a tunnel does not reach the checks', async () => {
  const storage = new AsyncLocalStorage<string>();
  const tunnel = await echoTunnel();
  const seen: unknown[] = [];
  const { server, port } = await startHttp((req: Marked, res) => {
    if (req.wstunnelCheck) seen.push(storage.getStore());
    storage.run('of a request', () => tunnel(req, res, () => res.end()));
  });
  tunnel.attach(server, { path: '/tunnel' });
  await open(port);
  await until(() => seen.length >= 3);
  expect(seen.filter((one) => one !== undefined)).toEqual([]);
});

test('a middleware that keeps each request, and ends it much later, cuts no tunnel', async () => {
  const complaints = watchComplaints();
  const { port, tunnel, checks } = await startBehind((_req, _res, reach) => reach());
  const client = await open(port);
  await until(() => checks.length >= 5);
  for (const { req, res } of checks) {
    res.end('late');
    req.destroy(new Error('on purpose'));
    req.socket.destroy(new Error('on purpose'));
    req.socket.write('late');
  }
  await expectOpen(client);
  expect(tunnel.stats().open).toBe(1);
  expect(complaints).toEqual([]);
});

test('a client whose tunnel fails after the 101 loses its connection', async () => {
  const backend = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend.port }, revalidate: EVERY });
  const app = express().use(
    '/tunnel',
    (req, _res, next) => {
      const get = () => {
        throw new Error('on purpose');
      };
      // Read for the key under which several tunnels share a check.
      Object.defineProperty(req.socket, 'servername', { get, configurable: true });
      next();
    },
    tunnel,
  );
  const { port } = await startHttp(app);
  const client = requestTunnel(port, '/tunnel');
  expect((await client.answer()).status).toBe(101);
  expect((await client.rest()).length).toBe(0);
  expect(tunnel.stats()).toMatchObject({ open: 0, opened: 0, backends: [{ load: 0 }] });
});

test('a tunnel that closes takes its timers and checks along', async () => {
  const timers = watchTimers();
  const { port, tunnel, checks, server } = await startBehind(() => undefined);
  const listeners = countListeners(server);
  const clients = await openSeveral(port, 8);
  await until(() => checks.length === 8);
  for (const { socket } of clients) socket.destroy();
  await until(() => tunnel.stats().open === 0);
  for (const { req, res } of checks) {
    expect(req.socket.destroyed).toBe(true);
    await until(() => res.destroyed);
    expect(req.socket.listenerCount('drain')).toBeLessThanOrEqual(1);
  }
  await until(() => timers() === 0);
  expect(countListeners(server)).toBe(listeners);
});

function countListeners(server: Server): number {
  return server.eventNames().reduce((sum, name) => sum + server.listenerCount(name), 0);
}

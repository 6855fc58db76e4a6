import { createServer as createHttpServer } from 'node:http';
import express from 'express';
import { describe, expect, test } from 'vitest';
import {
  memoryShared,
  wstunnel,
  type Tunnel,
  type TunnelOptions,
  type TunnelStats,
} from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import {
  closeFrame,
  echoes,
  openRaw,
  requestTunnel,
  statusOf,
  type RawClient,
} from '../support/raw-client.js';
import { listen, portOf, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

const GRACE = { grace: 3600, spread: 3600 };

/** A site whose requests go to the tunnel object made last. `how`: the tunnel objects find the server, or are attached by hand. */
async function startReloading(app: 'express' | 'http', how: string, options: TunnelOptions = {}) {
  const { port: backend } = await startEcho();
  const shared = memoryShared();
  onCleanup(() => shared.close());
  let tunnel: Tunnel;
  const server =
    app === 'express'
      ? createHttpServer(express().use('/tunnel', (...args) => tunnel(...args)))
      : createHttpServer((req, res) => tunnel(req, res, () => res.writeHead(404).end()));
  const reload = (more: TunnelOptions = {}) => {
    const autoAttach = how === 'autoAttach';
    tunnel = wstunnel({
      server: { port: backend },
      closeTimeout: 1,
      autoAttach,
      ...options,
      ...more,
      shared,
    });
    const made = tunnel;
    if (how === 'attach()') made.attach(server);
    if (how === 'attach() with a path') made.attach(server, { path: '/tunnel', exclusive: true });
    onCleanup(() => made.close({ timeout: 0.2 }));
    return made;
  };
  const first = reload();
  await listen(server);
  const port = portOf(server);
  // With autoAttach, a tunnel object inside a function is not ready for the first upgrade.
  if (how === 'autoAttach') await until(async () => (await statusOf(port)) === 101);
  await until(() => first.stats().open === 0);
  return { server, port, first, reload };
}

/** Throws if a counter is less than before. */
function watchCounters(tunnels: () => readonly Tunnel[]): () => void {
  let before: TunnelStats | undefined;
  return () => {
    for (const tunnel of tunnels()) {
      const now = tunnel.stats();
      for (const name of ['opened', 'bytesIn', 'bytesOut'] as const)
        expect(now[name]).toBeGreaterThanOrEqual(before?.[name] ?? 0);
      for (const name of ['refused', 'closed'] as const)
        for (const [code, count] of Object.entries(before?.[name] ?? {}))
          expect(now[name][code]).toBeGreaterThanOrEqual(count);
      before = now;
    }
  };
}

async function leave(client: RawClient): Promise<void> {
  client.send(closeFrame(1000)).socket.end();
  await client.closed();
}

describe.each(['express', 'http'] as const)('a reload in an app of %s', (app) => {
  test.each(['autoAttach', 'attach()', 'attach() with a path'])(
    'keeps old tunnels for the grace, and new requests reach the new tunnel object: %s',
    async (how) => {
      const { server, port, first, reload } = await startReloading(app, how);
      const opened = first.stats().opened;
      const old = await openRaw(port);
      const second = reload();
      const check = watchCounters(() => [first, second]);
      check();
      let isOver = false;
      const closing = first.close(GRACE).then(() => (isOver = true));
      check();
      for (let count = 0; count < 3; count++) {
        const client = await openRaw(port);
        await echoes(client, 'new');
        await leave(client);
        check();
      }
      await echoes(old, 'old');
      check();
      expect(second.stats()).toMatchObject({ opened: opened + 4, refused: {} });
      expect(isOver).toBe(false);
      await leave(old);
      await closing;
      check();
      expect(server.listenerCount('upgrade')).toBe(1);
      const last = await openRaw(port);
      await echoes(last, 'after the end of the old tunnel object');
      check();
      await second.close({ timeout: 0 });
      check();
      expect(server.listenerCount('upgrade')).toBe(0);
    },
  );

  test('during the grace counts limits of old and new tunnels together', async () => {
    const { port, first, reload } = await startReloading(app, 'attach()', { limits: { perClient: 1 } });
    const old = await openRaw(port);
    reload();
    const closing = first.close(GRACE);
    expect((await requestTunnel(port).answer()).status).toBe(429);
    await leave(old);
    await closing;
    await echoes(await openRaw(port));
  });

  test('checks the logins of old tunnels by the new tunnel object', async () => {
    const refused = new Set<string>();
    const asked: string[] = [];
    const withLogin = (tunnel: string): TunnelOptions => ({
      revalidate: 0.1,
      user: (req) => req.headers['x-user'] as string,
      authenticate: (req) => {
        asked.push(tunnel);
        return !refused.has(req.headers['x-user'] as string);
      },
    });
    const { port, first, reload } = await startReloading(app, 'attach()', withLogin('first'));
    const [ann, bob] = [
      await openRaw(port, '/tunnel', { 'X-User': 'ann' }),
      await openRaw(port, '/tunnel', { 'X-User': 'bob' }),
    ];
    reload(withLogin('second'));
    void first.close(GRACE);
    asked.length = 0;
    await until(() => asked.length > 4);
    expect(new Set(asked)).toEqual(new Set(['second']));
    refused.add('ann');
    expect(await ann.close()).toMatchObject({ code: 1008 });
    await echoes(bob, 'still here');
  });
});

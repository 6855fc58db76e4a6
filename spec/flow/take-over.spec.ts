import { describe, expect, test } from 'vitest';
import type { ClosedInfo, Host, TunnelOptions } from '../../src/index.js';
import { echoes, openRaw, requestTunnel, statusOf } from '../support/raw-client.js';
import { closedPort, startBackend, startEcho, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

const as = (name: string) => ({ 'X-User': name });

async function start(host: Partial<Host> = {}, options: Partial<TunnelOptions> = {}) {
  const { port: backend } = await startEcho();
  const site = await startTunnel({
    server: { port: backend, maxTunnels: 1, onFull: 'takeover', ...host },
    user: (req) => req.headers['x-user'] as string | undefined,
    closeTimeout: 30,
    ...options,
  });
  const closed: ClosedInfo[] = [];
  site.tunnel.on('close', (info) => closed.push(info));
  const open = (name: string) => openRaw(site.port, '/tunnel', as(name));
  const status = (name?: string) => statusOf(site.port, '/tunnel', name === undefined ? {} : as(name));
  return { ...site, closed, open, status };
}

describe("the host option onFull: 'takeover'", () => {
  test("gives the slot of the user's tunnel to the same user, and the old one ends with 4409", async () => {
    const site = await start();
    const old = await site.open('ann');
    const next = requestTunnel(site.port, '/tunnel', as('ann'));
    expect(await old.close()).toEqual({
      code: 4409,
      reason: 'replaced by a newer connection of the same user',
    });
    old.socket.destroy();
    expect((await next.answer()).status).toBe(101);
    await echoes(next);
    expect(site.closed).toMatchObject([{ cause: 'replaced', code: 4409, user: 'ann' }]);
    expect(site.tunnel.stats()).toMatchObject({ open: 1, refused: {}, backends: [{ load: 1 }] });
  });

  test('refuses other users, and requests without a user, with 503', async () => {
    const site = await start();
    const old = await site.open('ann');
    expect([await site.status('bob'), await site.status()]).toEqual([503, 503]);
    await echoes(old);
    expect(site.closed).toEqual([]);
  });

  test("is off by default: the same user's second request gets 503", async () => {
    const site = await start({ onFull: 'refuse' });
    await site.open('ann');
    expect(await site.status('ann')).toBe(503);
  });

  test('does not wait for a client that never answers the Close', async () => {
    const site = await start();
    const old = await site.open('ann');
    old.socket.pause();
    const next = await site.open('ann');
    await echoes(next);
    expect(site.closed).toMatchObject([{ cause: 'replaced' }]);
    expect(site.tunnel.stats().open).toBe(1);
  });

  test('ends the oldest of several, and only one for each request', async () => {
    const site = await start({ maxTunnels: 3 });
    const clients = [await site.open('bob'), await site.open('ann'), await site.open('ann')];
    const next = requestTunnel(site.port, '/tunnel', as('ann'));
    expect(await clients[1]!.close()).toMatchObject({ code: 4409 });
    clients[1]!.socket.destroy();
    expect((await next.answer()).status).toBe(101);
    for (const client of [clients[0]!, clients[2]!, next]) await echoes(client);
  });

  test('of requests at the same moment, one replaces the tunnel and the others get 503', async () => {
    const site = await start();
    await site.open('ann');
    const requests = Array.from({ length: 5 }, () => requestTunnel(site.port, '/tunnel', as('ann')));
    const statuses = await Promise.all(requests.map(async (one) => (await one.answer()).status));
    expect(statuses.sort()).toEqual([101, 503, 503, 503, 503]);
    expect(site.tunnel.stats()).toMatchObject({ open: 1, backends: [{ load: 1 }] });
  });

  test('another user gets no slot meanwhile', async () => {
    const site = await start();
    const old = await site.open('ann');
    old.socket.pause();
    const next = requestTunnel(site.port, '/tunnel', as('ann'));
    await until(() => site.tunnel.stats().opening === 1);
    const others: number[] = [];
    let isOver = false;
    const bob = async () => {
      while (!isOver) others.push(await site.status('bob'));
    };
    const asking = bob();
    expect((await next.answer()).status).toBe(101);
    isOver = true;
    await asking;
    expect(others.filter((status) => status !== 503)).toEqual([]);
    await echoes(next);
  });

  test("the backend's old connection is closed before the new one is made", async () => {
    const events: string[] = [];
    let count = 0;
    const backend = await startBackend((socket) => {
      const number = ++count;
      events.push(`open ${number}`);
      socket.on('close', () => events.push(`close ${number}`));
      socket.on('end', () => socket.end());
      socket.resume();
    });
    const site = await start({ port: backend.port });
    const old = await site.open('ann');
    await until(() => count === 1);
    old.socket.pause();
    await site.open('ann');
    await until(() => count === 2);
    expect(events).toEqual(['open 1', 'close 1', 'open 2']);
  });

  test('a client that leaves meanwhile frees the slot', async () => {
    const site = await start();
    const old = await site.open('ann');
    old.socket.pause();
    const next = requestTunnel(site.port, '/tunnel', as('ann'));
    await until(() => site.tunnel.stats().backends[0]?.load === 2);
    next.socket.destroy();
    await until(() => site.tunnel.stats().backends[0]?.load === 1);
    old.socket.destroy();
    await until(() => site.tunnel.stats().backends[0]?.load === 0);
    expect(site.tunnel.stats()).toMatchObject({ open: 0, refused: { WSTUNNEL_CLIENT_GONE: 1 } });
  });

  test('a free host, or one whose outage is over, is preferred', async () => {
    const [one, two] = [await startEcho(), await startEcho()];
    const hosts = [one, two].map(({ port }) => ({ port, maxTunnels: 1, onFull: 'takeover' as const }));
    const site = await start({}, { server: [{ port: await closedPort(), disableTime: 60 }, ...hosts] });
    const clients = [await site.open('ann'), await site.open('ann')];
    for (const client of clients) await echoes(client);
    expect(site.closed).toEqual([]);
  });
});

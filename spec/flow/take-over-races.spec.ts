import { describe, expect, test } from 'vitest';
import { memoryShared, wstunnel, type ClosedInfo, type TunnelOptions } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { closeFrame, echoes, frame, openRaw, requestTunnel, statusOf } from '../support/raw-client.js';
import { startApp, startBackend, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

const as = (name: string) => ({ 'X-User': name });

/** A path to the newest of several tunnel objects with one state. */
async function start(options: TunnelOptions) {
  const shared = memoryShared();
  onCleanup(() => shared.close());
  const closed: ClosedInfo[] = [];
  const make = (changes: Partial<TunnelOptions> = {}) => {
    const tunnel = wstunnel({
      user: (req) => req.headers['x-user'] as string | undefined,
      closeTimeout: 30,
      ...options,
      ...changes,
      shared,
    });
    tunnel.on('close', (info) => closed.push(info));
    onCleanup(() => tunnel.close({ timeout: 0 }));
    return tunnel;
  };
  let tunnel = make();
  const { port, server } = await startApp((app) => app.use('/tunnel', (...args) => tunnel(...args)));
  tunnel.attach(server);
  return {
    port,
    closed,
    now: () => tunnel.stats(),
    reload: (changes?: Partial<TunnelOptions>) => void (tunnel = make(changes).attach(server)),
    open: (name: string) => openRaw(port, '/tunnel', as(name)),
    request: (name: string) => requestTunnel(port, '/tunnel', as(name)),
    status: (name: string) => statusOf(port, '/tunnel', as(name)),
  };
}

/** An echo that counts its connections. */
async function startCounted() {
  let most = 0;
  const backend = await startBackend((socket) => {
    most = Math.max(most, backend.sockets.size);
    socket.pipe(socket);
  });
  return { ...backend, most: () => most };
}

describe("onFull: 'takeover' at the same moment as something else", () => {
  test('two requests of one user for one seat: one gets it, the other 503, and the backend has one connection', async () => {
    const backend = await startCounted();
    const site = await start({ server: { port: backend.port, maxTunnels: 1, onFull: 'takeover' } });
    for (let turn = 0; turn < 20; turn++) {
      const old = await site.open('ann');
      const pair = [site.request('ann'), site.request('ann')];
      old.socket.resume();
      expect(await old.close()).toMatchObject({ code: 4409 });
      old.send(closeFrame(4409)).socket.end();
      const statuses = await Promise.all(pair.map(async (one) => (await one.answer()).status));
      expect(statuses.sort()).toEqual([101, 503]);
      for (const one of pair) one.socket.destroy();
      await until(() => site.now().open === 0);
    }
    expect(backend.most()).toBe(1);
    expect(site.now()).toMatchObject({ opening: 0, backends: [{ load: 0 }] });
  }, 40_000);

  test("the seat of a tunnel that is closing already goes to the same user's request", async () => {
    const backend = await startCounted();
    const site = await start({ server: { port: backend.port, maxTunnels: 1, onFull: 'takeover' } });
    const old = await site.open('ann');
    old.send(frame(2, 'x'), closeFrame(1000));
    const next = site.request('ann');
    expect((await next.answer()).status).toBe(101);
    await echoes(next);
    expect(backend.most()).toBe(1);
    expect(site.closed).toMatchObject([{ code: 1000 }]);
    expect(site.now()).toMatchObject({ open: 1, backends: [{ load: 1 }] });
  });

  test('a tunnel of older settings is taken over as well, also by two requests at once', async () => {
    const backend = await startCounted();
    const site = await start({ server: { port: backend.port, maxTunnels: 1 } });
    for (let turn = 0; turn < 5; turn++) {
      const old = await site.open('ann');
      site.reload({ server: { port: backend.port, maxTunnels: 1, onFull: 'takeover' } });
      const one = site.request('ann');
      await until(() => site.now().opening === 1);
      site.reload();
      site.reload({ server: { port: backend.port, maxTunnels: 1, onFull: 'takeover' } });
      // The seat is promised to the request at the older tunnel object.
      expect(await site.status('ann')).toBe(503);
      expect(await old.close()).toMatchObject({ code: 4409 });
      old.socket.destroy();
      expect((await one.answer()).status).toBe(101);
      await echoes(one);
      one.socket.destroy();
      await until(() => site.now().open === 0);
    }
    expect(backend.most()).toBe(1);
    expect(site.now()).toMatchObject({ opening: 0, backends: [{ load: 0 }] });
  });

  test('a client that accepts no bytes delays the next one by the two seconds for the Close', async () => {
    const { port } = await startEcho();
    const site = await start({ server: { port, maxTunnels: 1, onFull: 'takeover' } });
    const old = await site.open('ann');
    old.socket.pause();
    // More than the buffers of the kernel on the way back.
    const flood = frame(2, Buffer.alloc(60_000));
    while (old.socket.writableLength < 1_000_000) {
      for (let turn = 0; turn < 50; turn++) old.send(flood);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const began = performance.now();
    const next = await site.open('ann');
    // Far below closeTimeout, which is 30 seconds here.
    expect(performance.now() - began).toBeLessThan(15_000);
    await echoes(next);
    expect(site.closed).toMatchObject([{ cause: 'replaced' }]);
  });
});

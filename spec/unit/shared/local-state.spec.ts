import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import {
  memoryShared,
  wstunnel,
  type Host,
  type Tunnel,
  type TunnelFilter,
  type TunnelOptions,
} from '../../../src/index.js';
import { LocalState } from '../../../src/shared/local-state.js';
import { createTunnel } from '../../../src/wstunnel.js';
import { onCleanup } from '../../support/cleanup.js';
import { echoes, openRaw, requestTunnel, statusOf } from '../../support/raw-client.js';
import { backendEvents, closedPort, startApp, startEcho } from '../../support/servers.js';
import { GREETER, Marked, node } from '../../support/spawned.js';
import { until } from '../../support/wait.js';

/** Two tunnels with a common state, at /one and /two. */
async function startTwo(one: TunnelOptions, two: TunnelOptions) {
  const state = new LocalState();
  const make = (options: TunnelOptions) => {
    const tunnel = createTunnel({ closeTimeout: 0.5, ...options }, state);
    onCleanup(() => tunnel.close({ timeout: 0.2 }));
    return tunnel;
  };
  const tunnels = { one: make(one), two: make(two) };
  const { port } = await startApp((app) => app.use('/one', tunnels.one).use('/two', tunnels.two));
  return { state, port, ...tunnels };
}

const ids = (tunnel: Tunnel) => tunnel.stats().backends.map(({ id }) => id);

describe('issue 12, case 2: tunnels that share a state', () => {
  test('count limits and the load of a host together', async () => {
    const { port: backend } = await startEcho();
    const server = { port: backend, maxTunnels: 2 };
    const { port } = await startTwo({ server, limits: { perClient: 1 } }, { server });
    const client = await openRaw(port, '/one');
    expect(await statusOf(port, '/one')).toBe(429);
    const other = await openRaw(port, '/two');
    expect(await statusOf(port, '/two')).toBe(503);
    client.socket.destroy();
    other.socket.destroy();
    await until(async () => (await statusOf(port, '/one')) === 101);
  });

  test('get events of the hosts that they use, and of no others', async () => {
    const dead = await closedPort();
    const { port: alive } = await startEcho();
    const server: Host = { port: dead, disableTime: 60 };
    const { port, one, two } = await startTwo({ server }, { server: [{ port: alive }, server] });
    const third = createTunnel({ server: { port: alive } }, new LocalState());
    onCleanup(() => third.close({ timeout: 0 }));
    const events = [one, two, third].map(backendEvents);
    expect(await statusOf(port, '/one')).toBe(502);
    expect(events.map(({ length }) => length)).toEqual([1, 1, 0]);
    expect(two.stats().backends).toMatchObject([{ up: true }, { id: `127.0.0.1:${dead}`, up: false }]);
  });

  test('list their hosts in stats(), and other hosts only while these have tunnels', async () => {
    const { port: a } = await startEcho();
    const { port: b } = await startEcho();
    const { port, one, two } = await startTwo({ server: { port: a } }, { server: { port: b } });
    expect(ids(two)).toEqual([`127.0.0.1:${b}`]);
    const client = await openRaw(port, '/one');
    expect(ids(two)).toEqual([`127.0.0.1:${b}`, `127.0.0.1:${a}`]);
    const closed = once(one, 'close');
    client.socket.destroy();
    await closed;
    expect(ids(two)).toEqual([`127.0.0.1:${b}`]);
  });

  test('stop no program that another tunnel uses, and the last close() stops all', async () => {
    const marked = new Marked();
    const spawn = marked.mark(node(GREETER, { maxLoadPerProc: 0, maxProcs: 1, handOver: false }));
    const server = { spawn };
    const { port, one, two } = await startTwo({ server }, { server });
    await openRaw(port, '/one');
    const [pid] = marked.programs();
    await one.close({ timeout: 0.2 });
    expect(marked.programs()).toEqual([pid]);
    const client = await openRaw(port, '/two');
    await client.payload(1);
    expect(marked.programs()).toEqual([pid]);
    await two.close({ timeout: 0.2 });
    await marked.none();
  });

  test('stop programs of a closed tunnel with it, or once they are idle', async () => {
    const [idle, used] = [new Marked(), new Marked()];
    const program = (marked: Marked) =>
      marked.mark(node(GREETER, { handOver: false, idleTimeout: 600, maxProcs: 1 }));
    const [idleSpawn, usedSpawn] = [program(idle), program(used)];
    const { port, one } = await startTwo(
      {
        server: { '/idle': { spawn: { ...idleSpawn, minProcs: 1 } }, '/used': { spawn: usedSpawn } },
      },
      { server: () => ({ spawn: usedSpawn }) },
    );
    await until(() => idle.programs().length === 1);
    const client = await openRaw(port, '/two');
    await client.payload(1);
    const [pid] = used.programs();
    await one.close({ timeout: 0.2 });
    await idle.none();
    expect(used.programs()).toEqual([pid]);
    client.socket.destroy();
    await used.none();
  });

  test('keep a program that is configured again', async () => {
    const marked = new Marked();
    const spawn = marked.mark(node(GREETER, { handOver: false, idleTimeout: 600, minProcs: 1, maxProcs: 1 }));
    const state = new LocalState();
    const other = createTunnel({ server: { port: 1 } }, state);
    const first = createTunnel({ server: { spawn } }, state);
    await until(() => marked.programs().length === 1);
    await first.close({ timeout: 0 });
    await marked.none();
    const second = createTunnel({ server: { spawn } }, state);
    await until(() => marked.programs().length === 1);
    await Promise.all([other, second].map((tunnel) => tunnel.close({ timeout: 0 })));
    await marked.none();
  });

  test('dial a host by the settings of the asking tunnel, also at a shared program', async () => {
    const marked = new Marked();
    const spawn = marked.mark(node(GREETER, { handOver: false, maxLoadPerProc: 0, maxProcs: 1 }));
    const { port } = await startTwo({ server: { spawn } }, { server: { spawn, proxyProtocol: 1 } });
    await (await openRaw(port, '/one')).payload(1);
    const client = await openRaw(port, '/two');
    await client.shows(/PROXY TCP4/);
    expect(marked.programs()).toHaveLength(1);
  });
});

describe('issue 16: memoryShared()', () => {
  const closeLater = (tunnel: Tunnel) => {
    onCleanup(() => tunnel.close({ timeout: 0.2 }));
    return tunnel;
  };

  /** A path that leads to whichever tunnel object was made last, as in an app that reloads its options. */
  async function startReloading(options: TunnelOptions) {
    const shared = memoryShared();
    onCleanup(() => shared.close());
    const make = (more: TunnelOptions = {}) =>
      closeLater(wstunnel({ closeTimeout: 0.5, autoAttach: false, ...options, ...more, shared }));
    let tunnel = make();
    const { server, port } = await startApp((app) => app.use('/desk', (...args) => tunnel(...args)));
    tunnel.attach(server);
    const reload = (more?: TunnelOptions) => {
      tunnel = make(more).attach(server);
      return tunnel;
    };
    return { shared, port, first: tunnel, reload };
  }
  const user = (req: { headers: Record<string, unknown> }) => req.headers['x-user'] as string | undefined;
  const as = (name: string) => ({ 'X-User': name });

  test('keeps limits and all counters of stats() over a reload of the options', async () => {
    const { port: backend } = await startEcho();
    const site = await startReloading({ server: { port: backend }, user, limits: { perUser: 1 } });
    const client = await openRaw(site.port, '/desk', as('ann'));
    await echoes(client, 'hello');
    expect(await statusOf(site.port, '/desk', as('ann'))).toBe(429);
    const before = site.first.stats();
    const second = site.reload();
    expect(second.stats()).toEqual(before);
    expect(before).toMatchObject({ open: 1, opened: 1, refused: { WSTUNNEL_TOO_MANY: 1 }, bytesIn: 5 });
    expect(await statusOf(site.port, '/desk', as('ann'))).toBe(429);
    client.socket.destroy();
    await until(() => second.stats().open === 0);
    expect(second.stats()).toMatchObject({ opened: 1, closed: { 1006: 1 }, bytesIn: 5, bytesOut: 5 });
    await site.first.close({ timeout: 0 });
    await openRaw(site.port, '/desk', as('ann'));
    expect(second.stats()).toMatchObject({ open: 1, opened: 2, refused: { WSTUNNEL_TOO_MANY: 2 } });
  });

  test('lists and ends tunnels by data, whichever tunnel object opened them', async () => {
    const { port: backend } = await startEcho();
    const site = await startReloading({ server: { port: backend }, user, name: 'desk' });
    const ann = await openRaw(site.port, '/desk', as('ann'));
    const second = site.reload();
    const bob = await openRaw(site.port, '/desk', as('bob'));
    const usersOf = (tunnel: Tunnel, where?: TunnelFilter) =>
      tunnel.tunnels(where).map(({ user: name }) => name);
    expect([usersOf(site.first), usersOf(second)]).toEqual([
      ['ann', 'bob'],
      ['ann', 'bob'],
    ]);
    expect(usersOf(second, { user: 'bob', address: '::ffff:127.0.0.1', tunnel: 'desk' })).toEqual(['bob']);
    expect(usersOf(second, { user: 'bob', tunnel: 'other' })).toEqual([]);
    expect(usersOf(second, { id: second.tunnels()[1]!.id, backend: `127.0.0.1:${backend}` })).toEqual([
      'bob',
    ]);
    expect(await second.end({ user: 'ann' }, 4001, 'logged out')).toEqual({ ended: 1, silent: [] });
    expect(await ann.close()).toEqual({ code: 4001, reason: 'logged out' });
    await echoes(bob);
    // By function: only the tunnels of this object.
    ann.socket.destroy();
    await until(() => second.stats().open === 1);
    expect(site.first.end(() => true)).toBe(0);
    expect(second.end(() => true)).toBe(1);
  });

  test('end() by data refuses a matching request before the 101', async () => {
    const { port: backend } = await startEcho();
    let dialled = 0;
    const stuck = () => {
      dialled++;
      return new Promise<never>(() => undefined);
    };
    const site = await startReloading({ server: stuck, user });
    const client = requestTunnel(site.port, '/desk', as('ann'));
    await until(() => dialled === 1);
    const second = site.reload({ server: { port: backend } });
    expect(await second.end({ user: 'ann' })).toEqual({ ended: 1, silent: [] });
    expect((await client.answer()).status).toBe(403);
    expect(await statusOf(site.port, '/desk', as('ann'))).toBe(101);
  });

  test('a request that arrived before end() is refused by a tunnel object made after end() as well', async () => {
    const { port: backend } = await startEcho();
    const shared = memoryShared();
    const options = { server: { port: backend }, autoAttach: false, user, shared, name: 'desk' };
    let tunnel = closeLater(wstunnel(options));
    const waiting: (() => void)[] = [];
    const { server, port } = await startApp((app) => {
      app.use((_req, _res, next) => void waiting.push(next));
      app.use('/desk', (...args) => tunnel(...args));
    });
    tunnel.attach(server);
    const early = ['ann', 'bob'].map((name) => requestTunnel(port, '/desk', as(name)));
    await until(() => waiting.length === 2);
    expect(await tunnel.end({ user: 'ann', tunnel: 'desk' })).toEqual({ ended: 0, silent: [] });
    tunnel = closeLater(wstunnel(options)).attach(server);
    const late = requestTunnel(port, '/desk', as('ann'));
    await until(() => waiting.length === 3);
    for (const next of waiting) next();
    const statuses = await Promise.all([...early, late].map(async (one) => (await one.answer()).status));
    expect(statuses).toEqual([403, 101, 101]);
  });

  test.each([
    [{ user: undefined }, /end\(\) needs a value for user/],
    [{ usr: 'ann' }, /end\(\) has no "usr"; did you mean "user"\?/],
    [{ user: 7 }, /user must be a string/],
    [undefined, /end\(\) must be an object/],
  ])('end(%j) ends nothing and says why', async (where, message) => {
    const site = await startReloading({ server: { port: (await startEcho()).port } });
    const client = await openRaw(site.port, '/desk');
    expect(() => void site.first.end(where as TunnelFilter)).toThrow(message);
    await echoes(client);
  });

  test('caps hold and counters never fall over a hundred reloads under load, and no handshake fails', async () => {
    const { port: backend } = await startEcho();
    const server = { port: backend, maxTunnels: 6 };
    const site = await startReloading({ server, user, limits: { total: 5, perUser: 1 } });
    const stays = await openRaw(site.port, '/desk', as('stays'));
    const statuses: number[] = [];
    let isOver = false;
    const load = async (name: string) => {
      while (!isOver) {
        const client = requestTunnel(site.port, '/desk', as(name));
        statuses.push((await client.answer()).status);
        client.socket.destroy();
        await client.closed();
      }
    };
    const loads = ['ann', 'bob', 'cleo'].map(load);
    let tunnel = site.first;
    let last = tunnel.stats();
    const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);
    for (let reload = 0; reload < 100; reload++) {
      tunnel = site.reload();
      await new Promise((resolve) => setImmediate(resolve));
      const now = tunnel.stats();
      expect(now.open).toBeLessThanOrEqual(5);
      expect(now.opened).toBe(now.open + sum(now.closed));
      for (const counter of ['opened', 'bytesIn', 'bytesOut'] as const)
        expect(now[counter]).toBeGreaterThanOrEqual(last[counter]);
      for (const counter of ['closed', 'refused'] as const)
        expect(sum(now[counter])).toBeGreaterThanOrEqual(sum(last[counter]));
      last = now;
      expect(await statusOf(site.port, '/desk', as('stays'))).toBe(429);
    }
    isOver = true;
    await Promise.all(loads);
    // 429: the user's last tunnel had not ended yet.
    expect(statuses.filter((status) => status !== 101 && status !== 429)).toEqual([]);
    expect(statuses.filter((status) => status === 101).length).toBeGreaterThan(10);
    await echoes(stays);
  });

  test('counts tunnel objects of different names on their own, under common limits', async () => {
    const { port: backend } = await startEcho();
    const shared = memoryShared();
    const server = { port: backend };
    const vnc = closeLater(wstunnel({ server, shared, name: 'vnc', limits: { total: 1 } }));
    const ssh = closeLater(wstunnel({ server, shared, name: 'ssh', limits: { total: 1 } }));
    const { port } = await startApp((app) => app.use('/vnc', vnc).use('/ssh', ssh));
    await openRaw(port, '/vnc');
    expect(await statusOf(port, '/ssh')).toBe(503);
    expect([vnc.stats(), ssh.stats()]).toMatchObject([
      { open: 1, opened: 1, refused: {} },
      { open: 0, opened: 0, refused: { WSTUNNEL_FULL: 1 } },
    ]);
  });

  test('a state serves tunnel objects one after another, until it is closed', async () => {
    const shared = memoryShared();
    const marked = new Marked();
    const spawn = marked.mark(node(GREETER, { handOver: false }));
    for (let turn = 1; turn <= 2; turn++) {
      const tunnel = closeLater(wstunnel({ server: { spawn }, shared }));
      const { port } = await startApp((app) => app.use('/desk', tunnel));
      await (await openRaw(port, '/desk')).payload(1);
      await tunnel.close({ timeout: 0.2 });
      expect(tunnel.stats().opened).toBe(turn);
      await marked.none();
    }
    expect(shared.up).toBe(true);
    await shared.close();
    expect(shared.up).toBe(false);
    expect(() => wstunnel({ server: { port: 1 }, shared })).toThrow(/shared must not be closed/);
    const other = { up: true, close: () => Promise.resolve() };
    expect(() => wstunnel({ server: { port: 1 }, shared: other })).toThrow(/shared must be the result of/);
  });
});

import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Host, Tunnel, TunnelOptions } from '../../../src/index.js';
import { LocalState } from '../../../src/shared/local-state.js';
import { createTunnel } from '../../../src/wstunnel.js';
import { onCleanup } from '../../support/cleanup.js';
import { openRaw, statusOf } from '../../support/raw-client.js';
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

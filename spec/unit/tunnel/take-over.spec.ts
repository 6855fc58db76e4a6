import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HostStates } from '../../../src/backends/host-states.js';
import { BackendPool } from '../../../src/backends/pool.js';
import { LocalCounter } from '../../../src/guard/counter.js';
import { Cancellation } from '../../../src/helpers/abort.js';
import { readHosts } from '../../../src/options/read-hosts.js';
import type { Network } from '../../../src/shared/network.js';
import { Members, type Member, type SharedTunnel } from '../../../src/shared/members.js';
import { takeOver } from '../../../src/tunnel/take-over.js';
import type { TunnelInfo } from '../../../src/types.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const ignore = () => undefined;

/** A full host with one tunnel of ann, which never ends. */
function makeFull() {
  const pool = new BackendPool(ignore, ignore);
  const hosts = pool.statesOf(readHosts({ port: 1, maxTunnels: 1, onFull: 'takeover' }, 'server'));
  const [host] = hosts;
  const info = { user: 'ann', backend: host!.id, since: 1 } as TunnelInfo;
  const tunnel = {
    arrived: 1,
    sharedHost: undefined,
    info: () => info,
    sample: () => undefined,
    addTo: () => undefined,
    replace: vi.fn(),
    destroy: vi.fn(),
    untilClosed: () => new Promise<void>(ignore),
  } satisfies SharedTunnel;
  const members = new Members();
  members.add({ name: undefined, open: new Set([tunnel]) } as unknown as Member);
  const context = { members, pool, network: undefined, counter: new LocalCounter() };
  pool.lease(host!, {});
  const take = (signal = new Cancellation()) => takeOver(context, hosts, 'ann', {}, signal);
  return { host: host!, tunnel, take };
}

test('a tunnel that does not even end when destroyed delays the request by three seconds, and keeps its slot', async () => {
  const { host, tunnel, take } = makeFull();
  const slot = take();
  expect(host.load).toBe(2);
  await vi.advanceTimersByTimeAsync(1900);
  expect(tunnel.destroy).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1200);
  expect(await slot).toBeUndefined();
  expect(tunnel.replace).toHaveBeenCalledTimes(1);
  expect(tunnel.destroy).toHaveBeenCalledTimes(1);
  expect(host.load).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
  expect(await take()).toBeUndefined();
});

test('a request that is aborted meanwhile gives back the slot', async () => {
  const { host, take } = makeFull();
  const signal = new Cancellation();
  const slot = take(signal);
  signal.abort(new Error('gone'));
  await expect(slot).rejects.toThrow('gone');
  expect(host.load).toBe(1);
});

test('users at a host full of tunnels in other processes replace their own tunnels at the same time', async () => {
  const counter = new LocalCounter();
  const pool = new BackendPool(ignore, ignore, new HostStates({ loadOf: () => 0, isDown: () => false }));
  const hosts = pool.statesOf(readHosts({ port: 1, maxTunnels: 3, onFull: 'takeover' }, 'server'));
  const sharedId = hosts[0]!.sharedId!;
  for (let count = 0; count < 3; count++) counter.take([{ name: `host ${sharedId}`, most: 3 }]);
  const network = {
    oldestOf: (user: string) => Promise.resolve({ id: user, host: sharedId, replica: 'b' }),
    sample: () => undefined,
    addTo: () => undefined,
    replace: () => new Promise(ignore),
  } as unknown as Network;
  const replace = vi.spyOn(network, 'replace');
  const context = { members: new Members(), pool, network, counter };
  const signals = ['ann', 'bob', 'eve', 'more than the host has tunnels'].map((user) => {
    const signal = new Cancellation();
    takeOver(context, hosts, user, {}, signal).catch(ignore);
    return signal;
  });
  await vi.advanceTimersByTimeAsync(10);
  expect(replace.mock.calls.map(([{ id }]) => id)).toEqual(['ann', 'bob', 'eve']);
  for (const signal of signals) signal.abort();
  await vi.advanceTimersByTimeAsync(10);
  expect([...counter.entries()]).toMatchObject([{ used: 3 }]);
});

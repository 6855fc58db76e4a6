import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { StoredEnd } from '../../../src/replicas/backplane.js';
import { MemoryBackplane, MemoryStore } from '../../../src/replicas/memory-backplane.js';
import { readMessage } from '../../../src/replicas/messages.js';
import { PeerHosts } from '../../../src/replicas/peer-hosts.js';
import { Replica } from '../../../src/replicas/replica.js';
import { ReplicaGroup } from '../../../src/replicas/replica-group.js';
import { isAfter } from '../../../src/replicas/end-ids.js';
import { StoredEnds } from '../../../src/replicas/stored-ends.js';
import { onCleanup } from '../../support/cleanup.js';
import { until } from '../../support/wait.js';

/** A replica over a store in memory. `hosts`: hosts with a tunnel each. */
async function startOne(store: MemoryStore, name: string, hosts = 1) {
  const backplane = new MemoryBackplane(store);
  const publish = vi.spyOn(backplane, 'publish');
  const loads = Object.fromEntries(Array.from({ length: hosts }, (_, at) => [`10.0.0.1:${at}`, 1]));
  const one = new ReplicaGroup(
    backplane,
    { name, ttl: 30, timeout: 5, whenDown: 'refuse' },
    {
      counts: () => [],
      hosts: () => ({ loads, down: {} }),
      end: () => 2,
      answer: () => undefined,
      changed: () => undefined,
      log: () => undefined,
    },
  );
  onCleanup(() => one.close());
  await one.start();
  /** Messages of a kind, and the replica to which each was sent; undefined for all. */
  const sent = (kind: string) =>
    publish.mock.calls.filter(([text]) => readMessage(text)?.kind === kind).map(([, to]) => to);
  return { one, loads, sent };
}

describe('hosts of many replicas', () => {
  test('are sent to a new replica alone, not to all', async () => {
    const store = new MemoryStore(30);
    const a = await startOne(store, 'a');
    await startOne(store, 'b');
    await until(() => a.sent('hosts').length === 2);
    expect(a.sent('hosts')).toEqual([undefined, expect.stringMatching(/^b#/)]);
  });

  test('are not requested by a replica that still knows them', async () => {
    const store = new MemoryStore(30);
    const a = await startOne(store, 'a');
    const b = await startOne(store, 'b');
    await until(() => !b.one.hosts.isEmpty && !a.one.hosts.isEmpty);
    expect(b.sent('hello')).toEqual([undefined]);
    await b.one.replica.call(() => Promise.reject(new Error('the store is down'))).catch(() => undefined);
    expect(b.one.replica.isUp).toBe(false);
    await b.one.replica.join();
    expect(b.one.replica.isUp).toBe(true);
    expect(b.sent('hello')).toHaveLength(1);
  });

  test('are summed up anew when a replica sends other loads, is silent, or leaves', () => {
    const hosts = new PeerHosts(30);
    const hear = (from: string, loads: Record<string, number>) =>
      hosts.heard({ kind: 'hosts', from, loads, down: {} });
    hear('a', { x: 2, y: 1 });
    hear('b', { x: 3 });
    expect([hosts.loadOf('x'), hosts.loadOf('y')]).toEqual([5, 1]);
    hear('a', { x: 1 });
    expect([hosts.loadOf('x'), hosts.loadOf('y')]).toEqual([4, 0]);
    hosts.forget('b');
    expect(hosts.loadOf('x')).toBe(1);
    hosts.forget('a');
    expect(hosts.loadOf('x')).toBe(0);
    expect(hosts.isEmpty).toBe(true);
  });

  test('are sent less often the more bytes the messages to all replicas have', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'performance'] });
    onCleanup(() => vi.useRealTimers());
    const messages = async (hosts: number) => {
      const store = new MemoryStore(1000);
      const a = await startOne(store, 'a', hosts);
      for (let number = 0; number < 99; number++) store.join(`other-${number}#1`, undefined, []);
      // Hears of the other replicas.
      await a.one.replica.join();
      const before = a.sent('hosts').length;
      for (let second = 0; second < 9; second++) {
        a.loads['10.0.0.1:0'] = second;
        vi.advanceTimersByTime(1000);
      }
      return a.sent('hosts').length - before;
    };
    expect(await messages(10)).toBe(3);
    // 100 replicas receive 18 KB each: a message in 7 seconds.
    expect(await messages(1000)).toBe(1);
  });

  test('that go down together, as in an outage of a network, are reported in few messages', async () => {
    const store = new MemoryStore(1000);
    const a = await startOne(store, 'a', 1000);
    for (let number = 0; number < 99; number++) store.join(`other-${number}#1`, undefined, []);
    await a.one.replica.join();
    const before = a.sent('hosts').length;
    for (let host = 0; host < 100; host++) {
      a.loads[`10.0.0.1:${host}`] = 0;
      a.one.hostsChanged();
    }
    expect(a.sent('hosts').length - before).toBeLessThanOrEqual(1);
  });
});

describe('ends', () => {
  /** Ends 1-0 to 3-0 in a store. */
  const stored = [1, 2, 3].map((number): StoredEnd => {
    const text = { where: { user: String(number) }, code: 1008, reason: '', from: number === 1 ? 'a' : 'b' };
    return { id: `${number}-0`, at: number, text: JSON.stringify(text) };
  });
  const make = () => {
    const endsAfter = vi.fn((id: string) =>
      Promise.resolve({ ends: stored.filter((end) => isAfter(end.id, id)), isComplete: true }),
    );
    const ends = new StoredEnds({ name: 'a', endsAfter, apply: () => 5, lost: () => undefined });
    ends.begin('0-0');
    return { ends, endsAfter };
  };

  test('that were read from the store before their message are counted in the answer, once', async () => {
    const { ends } = make();
    await ends.caughtUp('2-0');
    expect(await ends.received(stored[1]!, '1-0')).toBe(5);
    expect(await ends.received(stored[1]!, '1-0')).toBeUndefined();
  });

  test('after an end of this replica need not be read from the store', async () => {
    const { ends, endsAfter } = make();
    ends.stored({ id: '1-0', previous: '0-0' });
    expect(await ends.received(stored[1]!, '1-0')).toBe(5);
    expect(endsAfter).not.toHaveBeenCalled();
  });

  test('of this replica do not hide an earlier end that the replica has missed', async () => {
    const { ends, endsAfter } = make();
    ends.stored({ id: '3-0', previous: '2-0' });
    await ends.caughtUp('3-0');
    expect(endsAfter).toHaveBeenCalledWith('0-0');
  });

  test('called in turn by several replicas report all ended tunnels', async () => {
    const store = new MemoryStore(30);
    const all = [];
    for (const name of ['a', 'b', 'c']) all.push(await startOne(store, name));
    for (let number = 0; number < 9; number++) {
      const call = { where: { user: `user-${number}` }, code: 1008, reason: '' };
      expect(await all[number % 3]!.one.end(call)).toEqual({ ended: 4, silent: [] });
    }
  });

  test('end tunnels that were opened just before the call, also if the store has answered late', async () => {
    const store = new MemoryStore(30);
    const backplane = new MemoryBackplane(store);
    const join = backplane.join.bind(backplane);
    // The request is slow, and the answer is fast.
    vi.spyOn(backplane, 'join').mockImplementation(async (...args) => {
      await sleep(60);
      return join(...args);
    });
    const replica = new Replica(
      backplane,
      { name: 'a', ttl: 30, timeout: 5, whenDown: 'refuse' },
      {
        counts: () => [],
        changed: () => undefined,
        emptied: () => undefined,
        broken: () => undefined,
        caughtUp: () => Promise.resolve(),
      },
    );
    onCleanup(() => replica.close());
    await replica.join();
    const began = performance.now();
    const at = replica.localTime(store.storeEnd('').at);
    expect(at).toBeGreaterThanOrEqual(began);
    expect(at).toBeLessThanOrEqual(performance.now());
  });
});

describe('a slot of this replica that has just become free', () => {
  test('is given at once, although the store does not know yet that it is free', async () => {
    const backplane = new MemoryBackplane(new MemoryStore(30));
    const adjust = vi.spyOn(backplane, 'adjust');
    const replica = new Replica(
      backplane,
      { name: 'a', ttl: 30, timeout: 5, whenDown: 'refuse' },
      {
        counts: () => [{ name: 'total', count: 2 }],
        changed: () => undefined,
        emptied: () => undefined,
        broken: () => undefined,
        caughtUp: () => Promise.resolve(),
      },
    );
    onCleanup(() => replica.close());
    await replica.join();
    const take = () => replica.take([{ name: 'total', most: 2 }]);
    expect(await take()).toMatchObject({ kind: 'full' });
    replica.adjust('total', -1);
    expect(adjust).not.toHaveBeenCalled();
    expect(await take()).toMatchObject({ kind: 'taken' });
    expect(await take()).toMatchObject({ kind: 'full' });
  });
});

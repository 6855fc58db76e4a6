import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MemoryStore } from '../../../src/replicas/memory-backplane.js';
import type { EndCall } from '../../../src/replicas/messages.js';
import { ReplicaGroup, type ReplicaGroupOwner } from '../../../src/replicas/replica-group.js';
import { FakeBackplane, type Mood } from '../../support/fake-backplane.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const CALL = { where: { user: 'ann' }, code: 1008, reason: 'logged out' };

async function makeOne(store: MemoryStore, name: string, mood: Mood = 'fine') {
  const backplane = new FakeBackplane(store);
  backplane.set(mood);
  const own = { loads: {} as Record<string, number>, down: {} as Record<string, number> };
  const owner = {
    counts: () => [],
    hosts: () => structuredClone(own),
    end: vi.fn<(call: EndCall, at: number) => number>(() => 2),
    answer: vi.fn((about: string, data: unknown): unknown => ({ about, data, name })),
    changed: vi.fn(),
    log: vi.fn<ReplicaGroupOwner['log']>(),
  } satisfies ReplicaGroupOwner;
  const replicas = new ReplicaGroup(backplane, { name, ttl: 9, timeout: 1, whenDown: 'refuse' }, owner);
  await replicas.start();
  return { replicas, backplane, owner, own };
}

async function make() {
  const store = new MemoryStore(9);
  const [a, b] = [await makeOne(store, 'a'), await makeOne(store, 'b')];
  // With the first heartbeat, each replica learns of the other.
  await vi.advanceTimersByTimeAsync(4000);
  return { store, a, b };
}

describe('end()', () => {
  test('ends tunnels of the other replicas, and counts them', async () => {
    const { a, b } = await make();
    expect(await a.replicas.end(CALL)).toEqual({ ended: 2, silent: [] });
    expect(b.owner.end).toHaveBeenCalledExactlyOnceWith(expect.objectContaining(CALL), expect.any(Number));
    expect(a.owner.end).not.toHaveBeenCalled();
    const at = b.owner.end.mock.calls[0]?.[1] ?? NaN;
    expect(Math.abs(at - performance.now())).toBeLessThan(5);
  });

  test('names a replica without an answer, and the replica applies the end at its next heartbeat', async () => {
    const { a, b } = await make();
    // Its messages are lost.
    await b.backplane.close();
    const ending = a.replicas.end(CALL);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await ending).toEqual({ ended: 0, silent: ['b'] });
    expect(b.owner.end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(3000);
    expect(b.owner.end).toHaveBeenCalledTimes(1);
  });

  test('of a replica that has never reached the store says that the other processes are unknown', async () => {
    const { replicas } = await makeOne(new MemoryStore(9), 'a', 'fails');
    expect(await replicas.end(CALL)).toEqual({ ended: 0, silent: ['unknown'] });
  });

  test('while the store is down is sent later, with the time of the call', async () => {
    const { a, b } = await make();
    a.backplane.set('fails');
    const calledAt = performance.now();
    expect(await a.replicas.end(CALL)).toEqual({ ended: 0, silent: ['b'] });
    await vi.advanceTimersByTimeAsync(5000);
    a.backplane.set('fine');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(b.owner.end).toHaveBeenCalledTimes(1);
    const at = b.owner.end.mock.calls[0]?.[1] ?? NaN;
    expect(Math.abs(at - calledAt)).toBeLessThan(5);
  });

  test('is applied before the replica that missed it takes a slot', async () => {
    const { a, b } = await make();
    await b.backplane.close();
    void a.replicas.end(CALL);
    await vi.advanceTimersByTimeAsync(1);
    const taking = b.replicas.replica.take([{ name: 'x', most: 1 }]);
    await taking;
    expect(b.owner.end).toHaveBeenCalledTimes(1);
  });
});

test('the first join applies ends since the start of the process, and no earlier ones', async () => {
  const { store, a, b } = await make();
  await a.replicas.end({ ...CALL, where: { user: 'before the start' } });
  await vi.advanceTimersByTimeAsync(100);
  const late = makeOne(store, 'c', 'fails');
  await vi.advanceTimersByTimeAsync(5000);
  const calledAt = performance.now();
  await a.replicas.end(CALL);
  (await late).backplane.set('fine');
  await vi.advanceTimersByTimeAsync(20_000);
  const { owner, replicas } = await late;
  expect(replicas.replica.isUp).toBe(true);
  expect(owner.end).toHaveBeenCalledExactlyOnceWith(expect.objectContaining(CALL), expect.any(Number));
  expect(Math.abs((owner.end.mock.calls[0]?.[1] ?? NaN) - calledAt)).toBeLessThan(10);
  expect(owner.log.mock.calls.filter(([level]) => level === 'error')).toEqual([]);
  expect(b.owner.end).toHaveBeenCalledTimes(2);
});

test('a read of ends that never settles does not keep the replica from joining again', async () => {
  const { a, b } = await make();
  await b.backplane.close();
  void a.replicas.end(CALL);
  b.backplane.set('hangs', 'endsAfter');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(b.replicas.replica.isUp).toBe(false);
  b.backplane.set('fine');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(b.replicas.replica.isUp).toBe(true);
  expect(b.owner.end).toHaveBeenCalledTimes(1);
});

test('messages that cannot be sent do not make the replica subscribe and join again and again', async () => {
  const { a } = await make();
  const before = [a.backplane.count('listen'), a.backplane.count('join')];
  a.backplane.set('fails', 'publish');
  await vi.advanceTimersByTimeAsync(60_000);
  expect([a.backplane.count('listen'), a.backplane.count('join')]).toEqual(before);
});

describe('a question', () => {
  test('is answered by all other replicas, or by the only one asked', async () => {
    const { store, a } = await make();
    await makeOne(store, 'c');
    await vi.advanceTimersByTimeAsync(4000);
    const { answers, silent } = await a.replicas.ask('tunnels', { user: 'ann' });
    expect(silent).toEqual([]);
    expect([...answers.values()]).toEqual(
      ['b', 'c'].map((name) => ({ about: 'tunnels', data: { user: 'ann' }, name })),
    );
    const [, third = ''] = answers.keys();
    const one = await a.replicas.ask('replace', {}, third);
    expect([...one.answers.values()]).toMatchObject([{ name: 'c' }]);
  });

  test('that a replica fails to answer ends at the deadline', async () => {
    const { a, b } = await make();
    b.owner.answer.mockImplementation(() => {
      throw new Error('broken');
    });
    const asking = a.replicas.ask('tunnels', {});
    await vi.advanceTimersByTimeAsync(1000);
    const { answers, silent } = await asking;
    expect([answers.size, silent.length]).toEqual([0, 1]);
    expect(b.owner.log).toHaveBeenCalledWith('warn', expect.stringContaining('broken'));
  });
});

describe('hosts', () => {
  test('of other replicas are known within seconds, and outages at once', async () => {
    const { a, b } = await make();
    b.own.loads['x:1'] = 4;
    await vi.advanceTimersByTimeAsync(3100);
    expect(a.replicas.hosts.loadOf('x:1')).toBe(4);
    b.own.down['x:1'] = 10;
    b.replicas.hostsChanged();
    await vi.advanceTimersByTimeAsync(1);
    expect(a.replicas.hosts.isDown('x:1')).toBe(true);
  });

  test('are seldom sent while nothing changes, and are sent to a replica that has just joined', async () => {
    const { store, a } = await make();
    a.own.loads['x:1'] = 4;
    await vi.advanceTimersByTimeAsync(3100);
    const before = a.backplane.count('publish');
    await vi.advanceTimersByTimeAsync(30_000);
    expect(a.backplane.count('publish') - before).toBeLessThanOrEqual(10);
    const c = await makeOne(store, 'c');
    await vi.advanceTimersByTimeAsync(1);
    expect(c.replicas.hosts.loadOf('x:1')).toBe(4);
  });

  test('of a replica that has left are forgotten', async () => {
    const { a, b } = await make();
    b.own.loads['x:1'] = 4;
    await vi.advanceTimersByTimeAsync(3100);
    await b.replicas.close();
    await vi.advanceTimersByTimeAsync(1);
    expect(a.replicas.hosts.loadOf('x:1')).toBe(0);
  });
});

test('an interrupted subscription makes the replica join again, and read the missed ends', async () => {
  const { store, a } = await make();
  store.storeEnd(JSON.stringify({ ...CALL, from: 'z' }));
  const { generation } = a.replicas.replica;
  a.backplane.listener?.interrupted();
  await vi.advanceTimersByTimeAsync(10);
  expect(a.replicas.replica.generation).toBe(generation + 1);
  expect(a.owner.end).toHaveBeenCalledTimes(1);
});

test('texts of other programs on the channel change nothing', async () => {
  const { store, a } = await make();
  for (const text of ['', '{}', 'null', '{"kind":"emptied"}', '{"kind":"later","from":"x"}'])
    store.publish(text);
  await vi.advanceTimersByTimeAsync(10);
  expect(a.replicas.replica.generation).toBe(1);
});

test('a subscription that fails at the start is tried again while the store is up', async () => {
  const store = new MemoryStore(9);
  const a = await makeOne(store, 'a');
  const backplane = new FakeBackplane(store);
  backplane.set('fails', 'listen');
  const b = new ReplicaGroup(backplane, { name: 'b', ttl: 9, timeout: 1, whenDown: 'refuse' }, a.owner);
  await b.start();
  backplane.set('fine');
  await vi.advanceTimersByTimeAsync(4000);
  a.own.loads['x:1'] = 3;
  a.replicas.hostsChanged();
  await vi.advanceTimersByTimeAsync(1);
  expect(b.hosts.loadOf('x:1')).toBe(3);
});

test('close() leaves no timer, listener or slot', async () => {
  const { store, a, b } = await make();
  await Promise.all([a.replicas.close(), a.replicas.close(), b.replicas.close()]);
  expect(vi.getTimerCount()).toBe(0);
  expect(store.join('watcher#1', undefined, []).replicas).toEqual(['watcher#1']);
});

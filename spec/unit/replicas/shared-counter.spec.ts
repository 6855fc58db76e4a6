import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Lease } from '../../../src/helpers/lease.js';
import { StoreError } from '../../../src/replicas/deadline.js';
import { MemoryStore } from '../../../src/replicas/memory-backplane.js';
import { Replica } from '../../../src/replicas/replica.js';
import { SharedCounter } from '../../../src/replicas/shared-counter.js';
import { FakeBackplane } from '../../support/fake-backplane.js';
import { deferred } from '../../support/wait.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const ignore = () => undefined;

function makeReplica(store: MemoryStore, name: string, whenDown: 'local' | 'refuse' = 'refuse') {
  const backplane = new FakeBackplane(store);
  const caughtUp = vi.fn(() => Promise.resolve());
  const settings = { name, ttl: 9, timeout: 1, whenDown };
  const counter: SharedCounter = new SharedCounter(() => replica, settings);
  const replica: Replica = new Replica(backplane, settings, {
    counts: () => counter.counts(),
    changed: ignore,
    emptied: ignore,
    broken: ignore,
    caughtUp,
  });
  const take = async (...slots: [name: string, most: number][]) =>
    counter.take(slots.map(([of, most]) => ({ name: of, most })));
  return { backplane, counter, replica, take, caughtUp };
}

async function make(whenDown?: 'local' | 'refuse') {
  const store = new MemoryStore(9);
  const [one, other] = [makeReplica(store, 'a', whenDown), makeReplica(store, 'b', whenDown)];
  await Promise.all([one.replica.join(), other.replica.join()]);
  store.join('watcher#1', undefined, []);
  const keep = setInterval(() => store.beat('watcher#1'), 1000);
  keep.unref();
  /** The slots in use in the store. */
  const stored = async (name: string) => {
    await vi.advanceTimersByTimeAsync(10);
    for (let most = 1; most < 100; most++) {
      if (store.take('watcher#1', [{ name, most }]).kind !== 'taken') continue;
      store.adjust('watcher#1', [{ name, count: -1 }]);
      return most - 1;
    }
    throw new Error('too many');
  };
  return { store, one, other, stored };
}

const release = (taken: Lease | number) => {
  if (typeof taken === 'number') throw new Error(`no slot: ${taken}`);
  taken.release();
};

describe('slots with a limit', () => {
  test('count over replicas, and are free again after their release', async () => {
    const { one, other, stored } = await make();
    const first = await one.take(['user ann', 2]);
    await other.take(['user ann', 2]);
    expect([await one.take(['user ann', 2]), await other.take(['user ann', 2])]).toEqual([0, 0]);
    release(first);
    expect(await stored('user ann')).toBe(1);
    release(await other.take(['user ann', 2]));
    expect(await stored('user ann')).toBe(1);
  });

  test('are refused without a call to the store if this process alone is at the limit', async () => {
    const { one } = await make();
    await one.take(['x', 1]);
    const before = one.backplane.count('take');
    expect(await one.take(['x', 1])).toBe(0);
    expect(one.backplane.count('take')).toBe(before);
  });

  test('the index of a full name counts names without a limit as well', async () => {
    const { one, other } = await make();
    await other.take(['c', 1]);
    expect(await one.take(['a', Infinity], ['b', 5], ['c', 1])).toBe(2);
    expect(one.counter.counts()).toEqual([]);
  });

  test('are released once', async () => {
    const { one, stored } = await make();
    await one.take(['x', 5]);
    const lease = await one.take(['x', 5]);
    release(lease);
    release(lease);
    expect(await stored('x')).toBe(1);
    expect(one.counter.counts()).toEqual([{ name: 'x', count: 1 }]);
  });
});

describe('slots without a limit', () => {
  test('are counted here alone, at once and without a promise', async () => {
    const { one, stored } = await make();
    const lease = one.counter.take([{ name: 'user ann', most: Infinity }]);
    expect(lease).not.toBeInstanceOf(Promise);
    expect([one.backplane.count('take'), await stored('user ann')]).toEqual([0, 0]);
    release(await lease);
  });

  test('count as soon as the options have a limit', async () => {
    const { one, other, stored } = await make();
    const old = await one.take(['user ann', Infinity]);
    await one.take(['user bob', 1]);
    expect(await stored('user ann')).toBe(1);
    expect(await other.take(['user ann', 1])).toBe(0);
    release(old);
    expect(await stored('user ann')).toBe(0);
  });

  test('of a kind with a limit elsewhere are in the store while they are in use, and not below zero afterwards', async () => {
    const { one, other, stored } = await make();
    // Two tunnel objects with one state: the limit of `user` is in the options of one of them.
    const limited = await one.take(['user ann', 3]);
    const free = await one.take(['user ann', Infinity]);
    expect(await stored('user ann')).toBe(2);
    release(free);
    expect(await stored('user ann')).toBe(1);
    const mixed = await one.take(['user ann', Infinity], ['total', 9]);
    expect([await stored('user ann'), await stored('total')]).toEqual([2, 1]);
    release(mixed);
    expect([await stored('user ann'), await stored('total')]).toEqual([1, 0]);
    expect(await other.take(['user ann', 1])).toBe(0);
    release(limited);
    expect(await stored('user ann')).toBe(0);
  });
});

describe('while the store is down', () => {
  test("whenDown 'refuse' rejects, and counts nothing", async () => {
    const { one } = await make('refuse');
    one.backplane.set('fails');
    await expect(one.take(['x', 5])).rejects.toBeInstanceOf(StoreError);
    await expect(one.take(['x', 5])).rejects.toBeInstanceOf(StoreError);
    expect(one.counter.counts()).toEqual([]);
  });

  test("whenDown 'local' counts within the process, and the next join writes the counts", async () => {
    const { one, stored } = await make('local');
    one.backplane.set('fails');
    await one.take(['x', 2]);
    const second = await one.take(['x', 2]);
    expect(await one.take(['x', 2])).toBe(0);
    one.backplane.set('fine');
    await vi.advanceTimersByTimeAsync(2000);
    expect([one.replica.isUp, await stored('x')]).toEqual([true, 2]);
    release(second);
    expect(await stored('x')).toBe(1);
  });

  test.each([{ kind: 'recovering' }, { kind: 'broken', reason: 'WRONGTYPE' }] as const)(
    "whenDown 'local' while the store answers %o: the slot is in the store soon",
    async (outcome) => {
      const { one, stored } = await make('local');
      const take = one.backplane.take.bind(one.backplane);
      one.backplane.take = () => Promise.resolve(outcome);
      const lease = await one.take(['x', 2], ['y', 2]);
      one.backplane.take = take;
      expect([await stored('x'), await stored('y')]).toEqual([1, 1]);
      await one.take(['x', 2]);
      release(lease);
      expect([await stored('x'), await stored('y')]).toEqual([1, 0]);
    },
  );
});

describe('an answer of the store', () => {
  test.each(['local', 'refuse'] as const)(
    "after the deadline leaves no slot too many with whenDown '%s'",
    async (whenDown) => {
      const { one, stored } = await make(whenDown);
      const answer = one.backplane.hold('take');
      const taking = one.take(['x', 5]).catch(() => undefined);
      await vi.advanceTimersByTimeAsync(3000);
      const lease = await taking;
      answer();
      await vi.advanceTimersByTimeAsync(2000);
      const used = whenDown === 'local' ? 1 : 0;
      expect([one.replica.isUp, await stored('x'), one.counter.counts().length]).toEqual([true, used, used]);
      if (lease !== undefined) release(lease);
      expect(await stored('x')).toBe(0);
    },
  );

  test('after a second try that took longer than the deadline is given back', async () => {
    const { one, stored } = await make('refuse');
    one.backplane.expire('a#1');
    // The join between the two tries takes most of the time.
    const joined = one.backplane.hold('join');
    const answer = one.backplane.hold('take');
    const again = one.backplane.hold('take');
    const taking = expect(one.take(['x', 5])).rejects.toBeInstanceOf(StoreError);
    answer();
    await vi.advanceTimersByTimeAsync(700);
    joined();
    await vi.advanceTimersByTimeAsync(400);
    await taking;
    again();
    expect(await stored('x')).toBe(0);
    expect(one.replica.generation).toBe(2);
  });

  test('before a join and applied after it counts once', async () => {
    const { one, stored } = await make();
    const answer = one.backplane.hold('take');
    const taking = one.take(['x', 5]);
    await one.replica.join();
    answer();
    const lease = await taking;
    expect(await stored('x')).toBe(1);
    release(lease);
    expect(await stored('x')).toBe(0);
  });

  test('counts once if the replica joins while ends of other replicas are read', async () => {
    const { one, stored } = await make();
    const read = deferred();
    one.caughtUp.mockReturnValueOnce(read.promise);
    const taking = one.take(['x', 5]);
    await vi.advanceTimersByTimeAsync(10);
    await one.replica.join();
    expect(await stored('x')).toBe(0);
    read.resolve();
    const lease = await taking;
    expect(await stored('x')).toBe(1);
    release(lease);
    expect(await stored('x')).toBe(0);
  });
});

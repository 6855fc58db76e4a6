import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SlotCount } from '../../../src/replicas/backplane.js';
import { StoreError } from '../../../src/replicas/deadline.js';
import { MemoryStore } from '../../../src/replicas/memory-backplane.js';
import { nameOfId, Replica, type ReplicaOwner } from '../../../src/replicas/replica.js';
import { FakeBackplane } from '../../support/fake-backplane.js';
import { deferred } from '../../support/wait.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const TTL = 9;
const TIMEOUT = 1;
const slot = (most = 10, name = 'x') => [{ name, most }];

function make() {
  const store = new MemoryStore(TTL);
  const backplane = new FakeBackplane(store);
  const counts: SlotCount[] = [];
  const changes: [isUp: boolean, reason: string][] = [];
  const owner = {
    counts: () => counts.filter(({ count }) => count > 0).map((one) => ({ ...one })),
    changed: (isUp, reason) => changes.push([isUp, reason]),
    emptied: vi.fn(),
    broken: vi.fn(),
    caughtUp: vi.fn(() => Promise.resolve()),
  } satisfies ReplicaOwner;
  const settings = { name: 'a', ttl: TTL, timeout: TIMEOUT, whenDown: 'refuse' } as const;
  const replica = new Replica(backplane, settings, owner);
  const set = (name: string, count: number) => {
    const at = counts.findIndex((one) => one.name === name);
    counts.splice(at === -1 ? counts.length : at, at === -1 ? 0 : 1, { name, count });
  };
  /** The count in the store, seen by another replica. */
  const stored = (name = 'x') => {
    store.join('watcher#1', undefined, []);
    for (let most = 1; most < 100; most++) {
      const { kind } = store.take('watcher#1', slot(most, name));
      if (kind !== 'taken') continue;
      store.adjust('watcher#1', [{ name, count: -1 }]);
      return most - 1;
    }
    throw new Error('too many');
  };
  return { store, backplane, owner, replica, set, stored, changes };
}

describe('a join', () => {
  test('writes the counts of this process, and the replica is up', async () => {
    const { replica, set, stored, changes, owner } = make();
    set('x', 3);
    await replica.join();
    expect([replica.isUp, replica.replicas, stored()]).toEqual([true, ['a'], 3]);
    expect(changes).toEqual([[true, 'the store is reached']]);
    expect(owner.caughtUp).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ lastEnd: '0-0' }),
      'first join',
    );
  });

  test('is made once for several requests at the same time', async () => {
    const { replica, backplane } = make();
    await Promise.all([replica.join(), replica.join(), replica.join()]);
    expect(backplane.count('join')).toBe(1);
  });

  test('writes slots that were taken and freed while the counts were on their way', async () => {
    const { replica, backplane, set, stored } = make();
    set('x', 3);
    set('y', 2);
    const answer = backplane.hold('join');
    const joined = replica.join();
    await vi.advanceTimersByTimeAsync(10);
    set('x', 1);
    replica.adjust('x', -2);
    set('y', 3);
    set('z', 1);
    answer();
    await joined;
    await vi.advanceTimersByTimeAsync(10);
    expect([stored('x'), stored('y'), stored('z')]).toEqual([1, 3, 1]);
  });

  test('that is not answered is tried again, with longer and longer pauses, and reported once', async () => {
    const { replica, backplane, changes } = make();
    backplane.set('fails');
    await replica.join();
    expect(changes).toEqual([[false, 'READONLY']]);
    await vi.advanceTimersByTimeAsync(60_000);
    // 0.25, 0.5, 1, 2 and 4 seconds, then 5, of which a random part of up to a half is left out.
    expect(backplane.count('join')).toBeGreaterThanOrEqual(14);
    expect(backplane.count('join')).toBeLessThanOrEqual(30);
    expect(changes.length).toBe(1);
    backplane.set('fine');
    await vi.advanceTimersByTimeAsync(5000);
    expect([replica.isUp, changes.map(([isUp]) => isUp)]).toEqual([true, [false, true]]);
  });

  test('that is never answered is given up after five times the timeout', async () => {
    const { replica, backplane, changes } = make();
    backplane.set('hangs');
    const joined = replica.join();
    await vi.advanceTimersByTimeAsync(5 * TIMEOUT * 1000);
    await joined;
    expect(changes).toEqual([[false, 'no answer within 5 seconds']]);
  });

  test('is not complete before all ends up to now have been applied', async () => {
    const { replica, owner } = make();
    const applied = deferred();
    owner.caughtUp.mockReturnValueOnce(applied.promise);
    const joined = replica.join();
    await vi.advanceTimersByTimeAsync(10);
    expect(replica.isUp).toBe(false);
    applied.resolve();
    await joined;
    expect(replica.isUp).toBe(true);
  });

  test('of a store that was empty makes the other replicas join', async () => {
    const { replica, owner, backplane, store } = make();
    backplane.join = (id, before, counts) =>
      Promise.resolve({ ...store.join(id, before, counts), wasEmpty: true });
    await replica.join();
    expect(owner.emptied).toHaveBeenCalledTimes(1);
  });
});

describe('a heartbeat', () => {
  test('renews the lease three times in each ttl', async () => {
    const { replica, backplane, stored, set } = make();
    set('x', 1);
    await replica.join();
    await vi.advanceTimersByTimeAsync(10 * TTL * 1000);
    expect(backplane.count('beat')).toBe(30);
    expect([backplane.count('join'), stored()]).toEqual([1, 1]);
  });

  test('reads ends of other replicas', async () => {
    const { replica, owner, store } = make();
    await replica.join();
    const { id } = store.storeEnd('text');
    await vi.advanceTimersByTimeAsync(TTL * 1000);
    expect(owner.caughtUp).toHaveBeenLastCalledWith(expect.objectContaining({ lastEnd: id }), 'call');
  });

  test('of a replica that the store has forgotten causes a join with all counts', async () => {
    const { replica, backplane, set, stored, changes } = make();
    await replica.join();
    set('x', 2);
    backplane.expire('a#1');
    await vi.advanceTimersByTimeAsync(TTL * 1000);
    expect([replica.isUp, replica.generation, stored()]).toEqual([true, 2, 2]);
    expect(changes.map(([isUp]) => isUp)).toEqual([true]);
  });

  test.each(['fails', 'hangs', 'mute'] as const)(
    'that %s takes the replica down until the next join',
    async (mood) => {
      const { replica, backplane, set, stored, changes } = make();
      set('x', 1);
      await replica.join();
      backplane.set(mood, 'beat', 'join');
      await vi.advanceTimersByTimeAsync(TTL * 1000);
      expect(replica.isUp).toBe(false);
      backplane.set('fine');
      await vi.advanceTimersByTimeAsync(12_000);
      expect([replica.isUp, stored()]).toEqual([true, 1]);
      expect(changes.map(([isUp]) => isUp)).toEqual([true, false, true]);
    },
  );

  test('measures the clock of the store', async () => {
    const { replica, backplane } = make();
    backplane.join = () =>
      Promise.resolve({ isKnown: true, now: 5_000_000, lastEnd: '0', replicas: ['a#1'], wasEmpty: false });
    await replica.join();
    expect(Math.abs(replica.storeTime - 5_000_000)).toBeLessThanOrEqual(1);
    expect(Math.abs(replica.localTime(5_000_000) - performance.now())).toBeLessThanOrEqual(1);
  });
});

describe('taking slots', () => {
  test('asks the store, and applies all ends before the answer counts', async () => {
    const { replica, owner, store } = make();
    await replica.join();
    const { id } = store.storeEnd('text');
    const applied = deferred();
    owner.caughtUp.mockReturnValueOnce(applied.promise);
    const done = vi.fn();
    const taken = replica.take(slot()).finally(done);
    await vi.advanceTimersByTimeAsync(10);
    expect(done).not.toHaveBeenCalled();
    applied.resolve();
    expect(await taken).toEqual({ kind: 'taken', lastEnd: id, generation: 1 });
    expect(await replica.take(slot(1))).toMatchObject({ kind: 'full', index: 0 });
  });

  test('of a replica that the store has forgotten causes a join first', async () => {
    const { replica, backplane } = make();
    await replica.join();
    backplane.expire('a#1');
    expect(await replica.take(slot())).toMatchObject({ kind: 'taken', generation: 2 });
  });

  test('waits for a join under way', async () => {
    const { replica, backplane } = make();
    const answer = backplane.hold('join');
    const joined = replica.join();
    const taken = replica.take(slot());
    answer();
    await joined;
    expect((await taken).kind).toBe('taken');
  });

  test.each(['fails', 'hangs', 'mute'] as const)(
    'from a store that %s is a StoreError, and the next join has the true count',
    async (mood) => {
      const { replica, backplane, stored, changes } = make();
      await replica.join();
      backplane.set(mood, 'take');
      const taken = expect(replica.take(slot())).rejects.toBeInstanceOf(StoreError);
      await vi.advanceTimersByTimeAsync(TIMEOUT * 1000);
      await taken;
      await vi.advanceTimersByTimeAsync(1000);
      expect(changes.map(([isUp]) => isUp)).toEqual([true, false, true]);
      expect([replica.isUp, stored()]).toEqual([true, 0]);
    },
  );

  test('while the store is down is a StoreError without a call', async () => {
    const { replica, backplane } = make();
    backplane.set('fails');
    await replica.join();
    await expect(replica.take(slot())).rejects.toThrow(new StoreError('the store cannot be reached'));
    expect(backplane.count('take')).toBe(0);
  });

  test('whose answer arrives after the next join is repeated', async () => {
    const { replica, backplane, stored } = make();
    await replica.join();
    const answer = backplane.hold('take');
    const taken = replica.take(slot());
    await replica.join();
    answer();
    expect(await taken).toMatchObject({ kind: 'taken', generation: 2 });
    expect(stored()).toBe(1);
  });

  test.each([
    [{ kind: 'recovering' }, 'being filled again'],
    [{ kind: 'broken', reason: 'WRONGTYPE' }, 'WRONGTYPE'],
  ] as const)('with the outcome %o is a StoreError, and the replica stays up', async (outcome, reason) => {
    const { replica, backplane } = make();
    await replica.join();
    backplane.take = () => Promise.resolve(outcome);
    const taken = replica.take(slot());
    await expect(taken).rejects.toBeInstanceOf(StoreError);
    await expect(taken).rejects.toThrow(reason);
    expect(replica.isUp).toBe(true);
  });

  test('from a store with a value that is not a count is reported once a minute', async () => {
    const { replica, backplane, owner } = make();
    await replica.join();
    backplane.take = () => Promise.resolve({ kind: 'broken', reason: 'WRONGTYPE' });
    for (let tries = 0; tries < 3; tries++) await expect(replica.take(slot())).rejects.toThrow('WRONGTYPE');
    expect(owner.broken.mock.calls).toEqual([['WRONGTYPE']]);
    vi.advanceTimersByTime(61_000);
    await expect(replica.take(slot())).rejects.toThrow('WRONGTYPE');
    expect(owner.broken).toHaveBeenCalledTimes(2);
  });

  test('from a store that forgets the replica again and again is given up', async () => {
    const { replica, backplane } = make();
    await replica.join();
    backplane.take = () => Promise.resolve({ kind: 'unknown' });
    await expect(replica.take(slot())).rejects.toThrow('the store has forgotten this replica');
    expect(backplane.count('join')).toBeLessThanOrEqual(4);
  });
});

test('a client that reports a failure causes a heartbeat at once, and the reason is that of the client', async () => {
  const { replica, backplane, changes } = make();
  await replica.join();
  backplane.set('fails', 'beat');
  Object.assign(backplane, { failure: 'connect ECONNREFUSED 127.0.0.1:1' });
  await vi.advanceTimersByTimeAsync(100);
  expect(replica.isUp).toBe(true);
  replica.check();
  await vi.advanceTimersByTimeAsync(1);
  expect(changes.at(-1)).toEqual([false, 'connect ECONNREFUSED 127.0.0.1:1']);
  replica.check();
  await vi.advanceTimersByTimeAsync(1);
  expect(backplane.count('beat')).toBe(1);
});

test('a failure of the client that is over before the heartbeat changes nothing', async () => {
  const { replica, backplane, changes } = make();
  await replica.join();
  replica.check();
  await vi.advanceTimersByTimeAsync(1);
  expect(backplane.count('beat')).toBe(1);
  expect(changes.map(([isUp]) => isUp)).toEqual([true]);
});

test('a replica that the store has forgotten stays reached while it joins again', async () => {
  const { replica, store, backplane, changes } = make();
  await replica.join();
  store.leave('a#1');
  const answer = backplane.hold('join');
  replica.check();
  await vi.advanceTimersByTimeAsync(1);
  expect([replica.isUp, replica.isReached]).toEqual([false, true]);
  answer();
  await vi.advanceTimersByTimeAsync(1);
  expect(replica.isUp).toBe(true);
  expect(changes.map(([isUp]) => isUp)).toEqual([true]);
});

describe('changes of counts', () => {
  test('of one event-loop turn are one call, and those that cancel out are none', async () => {
    const { replica, backplane } = make();
    await replica.join();
    replica.adjust('x', 1);
    replica.adjust('x', 1);
    replica.adjust('y', -1);
    replica.adjust('y', 1);
    await vi.advanceTimersByTimeAsync(10);
    replica.adjust('z', 1);
    replica.adjust('z', -1);
    await vi.advanceTimersByTimeAsync(10);
    expect(backplane.calls.filter(([method]) => method === 'adjust')).toEqual([
      ['adjust', 'a#1', [{ name: 'x', count: 2 }]],
    ]);
  });

  test('that the store did not confirm are included in the next join', async () => {
    const { replica, backplane, set, stored } = make();
    set('x', 1);
    await replica.join();
    set('x', 0);
    replica.adjust('x', -1);
    backplane.set('hangs', 'adjust');
    await vi.advanceTimersByTimeAsync(2000);
    expect([replica.generation, stored()]).toEqual([2, 0]);
  });

  test('are not sent while the replica is down', async () => {
    const { replica, backplane } = make();
    backplane.set('fails');
    await replica.join();
    replica.adjust('x', 1);
    await vi.advanceTimersByTimeAsync(10);
    expect(backplane.count('adjust')).toBe(0);
  });

  test('stay right when the counts are written again after two hours, in the middle of changes', async () => {
    const { replica, backplane, set, stored } = make();
    set('x', 5);
    await replica.join();
    // A change in the event-loop turn of each heartbeat.
    const beat = backplane.beat.bind(backplane);
    let count = 5;
    backplane.beat = async (id) => {
      const result = await beat(id);
      set('x', (count = count === 5 ? 4 : 5));
      replica.adjust('x', count === 5 ? 1 : -1);
      return result;
    };
    await vi.advanceTimersByTimeAsync(7_300_000);
    expect([replica.isUp, stored()]).toEqual([true, count]);
  });
});

describe('close()', () => {
  test('frees the slots at once, and makes no further calls', async () => {
    const { replica, backplane, set, stored } = make();
    set('x', 2);
    await replica.join();
    await replica.close();
    expect(stored()).toBe(0);
    const before = backplane.calls.length;
    replica.adjust('x', 1);
    await replica.join();
    await vi.advanceTimersByTimeAsync(100_000);
    expect(backplane.calls.length).toBe(before);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('during a join leaves no slots in the store', async () => {
    const { replica, backplane, set, stored } = make();
    set('x', 2);
    const answer = backplane.hold('join');
    const joined = replica.join();
    await vi.advanceTimersByTimeAsync(10);
    const closed = replica.close();
    answer();
    await Promise.all([joined, closed]);
    expect([replica.isUp, stored()]).toEqual([false, 0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('resolves within the timeout if the store does not answer', async () => {
    const { replica, backplane } = make();
    await replica.join();
    backplane.set('hangs');
    const closed = replica.close();
    await vi.advanceTimersByTimeAsync(TIMEOUT * 1000);
    await closed;
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('the name of a replica may contain the sign that separates the parts of its id', () => {
  expect([nameOfId('a#1'), nameOfId('host-12-ab#10'), nameOfId('a#b#2')]).toEqual(['a', 'host-12-ab', 'a#b']);
});

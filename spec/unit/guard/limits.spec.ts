import { describe, expect, test, vi } from 'vitest';
import {
  LocalCounter,
  STORE_TIMEOUT,
  takeSlot as takeSlotOrPromise,
  type Counter,
} from '../../../src/guard/limits.js';
import { Cancellation } from '../../../src/helpers/abort.js';
import { networkOf } from '../../../src/request/client-address.js';
import { bothOf } from '../../../src/helpers/lease.js';
import { onCleanup } from '../../support/cleanup.js';

/** A promise in every case, so that a thrown refusal is a rejection. */
const takeSlot = async (...args: Parameters<typeof takeSlotOrPromise>) => takeSlotOrPromise(...args);

const CLIENT = { address: '192.0.2.1', user: undefined };
const A = { address: 'a', user: undefined };

const refusal = (code: string, status: number) => ({ code, status });

test('a released slot is free again, and is released once', async () => {
  const counter = new LocalCounter();
  const limits = { total: 3, perClient: 2, perUser: 0 };
  const take = (address: string) => takeSlot(counter, limits, { address, user: undefined });
  const [first] = [await take('192.0.2.1'), await take('192.0.2.1')];
  await expect(take('192.0.2.1')).rejects.toMatchObject(refusal('WSTUNNEL_TOO_MANY', 429));
  await take('192.0.2.2');
  await expect(take('192.0.2.3')).rejects.toMatchObject(refusal('WSTUNNEL_FULL', 503));
  first.release();
  first.release();
  // The refusal by the total freed the slot of the client as well.
  const again = [await take('192.0.2.3')];
  await expect(take('192.0.2.3')).rejects.toMatchObject(refusal('WSTUNNEL_FULL', 503));
  for (const place of again) place.release();
  await take('192.0.2.2');
});

test('0 sets no limit but counts, since a reload may set one', async () => {
  const counter = new LocalCounter();
  const places = [];
  for (let n = 0; n < 1000; n++)
    places.push(await takeSlot(counter, { total: 0, perClient: 0, perUser: 0 }, A));
  for (const name of ['total', 'client a']) expect(counter.take(name, 1000)).toBeUndefined();
  for (const place of places) place.release();
  for (const name of ['total', 'client a']) expect(counter.take(name, 1)).toBeDefined();
});

test('a user has slots at all addresses together, and a client without a user needs none', async () => {
  const counter = new LocalCounter();
  const limits = { total: 0, perClient: 1, perUser: 2 };
  const take = (address: string, user?: string) => takeSlot(counter, limits, { address, user });
  const [first] = [await take('192.0.2.1', 'ann'), await take('192.0.2.2', 'ann')];
  const tooMany = { ...refusal('WSTUNNEL_TOO_MANY', 429), message: 'too many open tunnels for this user' };
  await expect(take('192.0.2.3', 'ann')).rejects.toMatchObject(tooMany);
  // The refusal freed the slot of the address.
  await take('192.0.2.3', 'bob');
  await take('192.0.2.4');
  first.release();
  await take('192.0.2.5', 'ann');
  await expect(take('192.0.2.6', 'ann')).rejects.toMatchObject(tooMany);
});

test('the refusal of a counter that fails names no detail of the store, and when to try again', async () => {
  const counter: Counter = { take: () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.5:6379')) };
  await expect(takeSlot(counter, { total: 1, perClient: 0, perUser: 0 }, CLIENT)).rejects.toMatchObject({
    ...refusal('WSTUNNEL_STATE_DOWN', 503),
    headers: { 'Retry-After': '1' },
    body: 'tunnels cannot be counted at the moment\n',
  });
});

test('the total may be counted elsewhere and asynchronously', async () => {
  const released: string[] = [];
  const counter = {
    take: (name: string) =>
      Promise.resolve(name === 'total' ? undefined : { release: () => released.push(name) }),
  };
  await expect(takeSlot(counter, { total: 1, perClient: 1, perUser: 0 }, CLIENT)).rejects.toMatchObject({
    code: 'WSTUNNEL_FULL',
  });
  expect(released).toEqual(['client 192.0.2.1']);
});

describe('issue 12, case 3: a counter that is slow, unreachable or late', () => {
  const limits = { total: 1, perClient: 1, perUser: 0 };

  /** A counter that the test answers, with the slots in use. */
  function byHand() {
    const asked: { name: string; give: () => void; refuse: () => void; fail: () => void }[] = [];
    const taken = new Set<string>();
    const lease = (name: string) => ({ release: () => void taken.delete(name) });
    const counter: Counter = {
      take: (name) =>
        new Promise((resolve, reject) => {
          const give = () => {
            taken.add(name);
            resolve(lease(name));
          };
          asked.push({
            name,
            give,
            refuse: () => resolve(undefined),
            fail: () => reject(new Error('the store is down')),
          });
        }),
    };
    return { counter, asked, taken };
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  test.each(['refuse', 'fail'] as const)('the first slot is freed if the second count %ss', async (how) => {
    const { counter, asked, taken } = byHand();
    const place = takeSlot(counter, limits, CLIENT, new AbortController().signal);
    const outcome = expect(place).rejects.toMatchObject(
      how === 'fail'
        ? { ...refusal('WSTUNNEL_STATE_DOWN', 503), cause: new Error('the store is down') }
        : { message: 'too many open tunnels' },
    );
    asked[0]?.give();
    await turn();
    expect([...taken]).toEqual(['client 192.0.2.1']);
    asked[1]?.[how]();
    await outcome;
    expect(taken.size).toBe(0);
  });

  test('the first slot is freed if the second count throws synchronously', async () => {
    const released: string[] = [];
    const counter: Counter = {
      take: (name) => {
        if (name === 'total') throw new Error('broken');
        return { release: () => released.push(name) };
      },
    };
    await expect(takeSlot(counter, limits, A)).rejects.toMatchObject({ cause: new Error('broken') });
    expect(released).toEqual(['client a']);
  });

  test.each(['the first', 'the second'])(
    'an abort ends the wait for the %s count, and a late slot is released',
    async (which) => {
      const { counter, asked, taken } = byHand();
      const controller = new AbortController();
      const place = takeSlot(counter, limits, A, controller.signal);
      const outcome = expect(place).rejects.toThrow('the client left');
      if (which === 'the second') {
        asked[0]?.give();
        await turn();
      }
      controller.abort(new Error('the client left'));
      await outcome;
      expect(taken.size).toBe(0);
      asked.at(-1)?.give();
      expect(taken.size).toBe(1);
      await turn();
      expect(taken.size).toBe(0);
      expect(asked).toHaveLength(which === 'the second' ? 2 : 1);
    },
  );

  test.each(['the first', 'the second'])(
    'a counter that does not answer for %s count within the deadline refuses with 503, and a late slot is released',
    async (which) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      onCleanup(() => vi.useRealTimers());
      const { counter, asked, taken } = byHand();
      const place = takeSlot(counter, limits, A, new Cancellation());
      const outcome = expect(place).rejects.toMatchObject({
        ...refusal('WSTUNNEL_STATE_DOWN', 503),
        headers: { 'Retry-After': '1' },
        cause: new Error('the store of the counts did not answer within 1 s'),
      });
      if (which === 'the second') {
        // One deadline for all counts: each answer alone would be in time.
        vi.advanceTimersByTime(STORE_TIMEOUT * 900);
        asked[0]?.give();
        await turn();
        vi.advanceTimersByTime(STORE_TIMEOUT * 99);
        await turn();
        expect(taken.size).toBe(1);
        vi.advanceTimersByTime(STORE_TIMEOUT);
      } else vi.advanceTimersByTime(STORE_TIMEOUT * 1000);
      await outcome;
      expect(taken.size).toBe(0);
      asked.at(-1)?.give();
      await turn();
      expect(taken.size).toBe(0);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test('a counter that answers in time leaves no timer and no listener', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onCleanup(() => vi.useRealTimers());
    const { counter, asked } = byHand();
    const signal = new Cancellation();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const place = takeSlot(counter, limits, A, signal);
    asked[0]?.give();
    await turn();
    asked[1]?.give();
    await place;
    expect(vi.getTimerCount()).toBe(0);
    expect(added.mock.calls.length).toBeGreaterThan(0);
    expect(removed.mock.calls.map(([, listener]) => listener)).toEqual(
      added.mock.calls.map(([, listener]) => listener),
    );
  });

  test('an abort in the event-loop turn of the answer keeps no slot', async () => {
    for (const order of [0, 1, 2, 3, 4, 5, 6, 7, 8]) {
      const { counter, asked, taken } = byHand();
      const controller = new AbortController();
      const place = takeSlot(counter, { total: 0, perClient: 1, perUser: 0 }, A, controller.signal);
      const outcome = place.then(
        (lease) => lease.release(),
        () => undefined,
      );
      await turn();
      asked[0]?.give();
      // The abort follows after this number of microtasks.
      const abort = async () => {
        for (let left = order; left > 0; left--) await Promise.resolve();
        controller.abort(new Error('over'));
      };
      await Promise.all([abort(), outcome]);
      await turn();
      expect(taken.size, `after ${order} microtasks`).toBe(0);
    }
  });

  test('a late count that rejects and a release that throws cause no unhandled rejection', async () => {
    const { counter, asked } = byHand();
    const throwing: Counter = {
      take: async (name, most) => {
        await counter.take(name, most);
        return {
          release: () => {
            throw new Error('release failed');
          },
        };
      },
    };
    for (const late of ['fail', 'give'] as const) {
      const controller = new AbortController();
      const place = takeSlot(throwing, limits, A, controller.signal);
      const outcome = expect(place).rejects.toThrow('over');
      controller.abort(new Error('over'));
      await outcome;
      asked.at(-1)?.[late]();
      await turn();
    }
  });

  test('no count is requested after the signal has aborted', async () => {
    const { counter, asked } = byHand();
    await expect(takeSlot(counter, limits, A, AbortSignal.abort(new Error('over')))).rejects.toThrow('over');
    expect(asked).toEqual([]);
  });

  test('the second lease is released although the first release throws', () => {
    const released: string[] = [];
    const first = {
      release: () => {
        throw new Error('first');
      },
    };
    expect(() => bothOf(first, { release: () => released.push('second') }).release()).toThrow('first');
    expect(released).toEqual(['second']);
  });
});

describe('the limit per client', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80:1:2:3:4:5::', 'fe80:1:2:3::/64'],
    ['', ''],
  ])('%s counts as %s', (address, name) => {
    expect(networkOf(address)).toBe(name);
  });
});

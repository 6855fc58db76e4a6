import { describe, expect, test, vi } from 'vitest';
import { LocalCounter, type Counter, type SlotRequest } from '../../../src/guard/counter.js';
import { takeSlot as takeSlotOrPromise } from '../../../src/guard/limits.js';
import { Cancellation } from '../../../src/helpers/abort.js';
import { networkOf } from '../../../src/request/client-address.js';
import { bothOf, type Lease } from '../../../src/helpers/lease.js';

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
  const names = ['total', 'client a'];
  for (const name of names) expect(counter.take([{ name, most: 1000 }])).toBe(0);
  for (const place of places) place.release();
  for (const name of names) expect(counter.take([{ name, most: 1 }])).not.toBe(0);
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

test('a counter may count elsewhere and asynchronously, and says which count is full', async () => {
  const asked: (readonly SlotRequest[])[] = [];
  const counter: Counter = {
    take: (slots) => {
      asked.push(slots);
      return Promise.resolve(slots.length - 1);
    },
  };
  await expect(
    takeSlot(counter, { total: 1, perClient: 2, perUser: 3 }, { ...CLIENT, user: 'ann' }),
  ).rejects.toMatchObject({
    code: 'WSTUNNEL_FULL',
  });
  expect(asked).toEqual([
    [
      { name: 'client 192.0.2.1', most: 2 },
      { name: 'user ann', most: 3 },
      { name: 'total', most: 1 },
    ],
  ]);
});

test('a slot of one name is not taken if another name is full', () => {
  const counter = new LocalCounter();
  const [one, other] = [
    { name: 'a', most: 1 },
    { name: 'b', most: 1 },
  ];
  counter.take([other]);
  expect(counter.take([one, other])).toBe(1);
  expect(counter.take([one])).not.toBe(0);
});

describe('issue 12, case 3: a counter that is slow, unreachable or late', () => {
  const limits = { total: 1, perClient: 1, perUser: 0 };

  /** A counter that the test answers, with the slots in use. */
  function byHand() {
    const asked: { give: () => void; refuse: () => void; fail: () => void }[] = [];
    const taken = new Set<Lease>();
    const counter: Counter = {
      take: () =>
        new Promise((resolve, reject) => {
          const lease = { release: () => void taken.delete(lease) };
          const give = () => {
            taken.add(lease);
            resolve(lease);
          };
          asked.push({ give, refuse: () => resolve(1), fail: () => reject(new Error('the store is down')) });
        }),
    };
    return { counter, asked, taken };
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  test.each(['refuse', 'fail'] as const)('no slot is kept if the counter %ss', async (how) => {
    const { counter, asked, taken } = byHand();
    const place = takeSlot(counter, limits, CLIENT, new AbortController().signal);
    const outcome = expect(place).rejects.toMatchObject(
      how === 'fail'
        ? { ...refusal('WSTUNNEL_STATE_DOWN', 503), cause: new Error('the store is down') }
        : { message: 'too many open tunnels' },
    );
    asked[0]?.[how]();
    await outcome;
    expect(taken.size).toBe(0);
  });

  test('a counter that throws synchronously refuses with 503', async () => {
    const counter: Counter = {
      take: () => {
        throw new Error('broken');
      },
    };
    await expect(takeSlot(counter, limits, A)).rejects.toMatchObject({ cause: new Error('broken') });
  });

  test('an abort ends the wait, and a late slot is released', async () => {
    const { counter, asked, taken } = byHand();
    const controller = new AbortController();
    const place = takeSlot(counter, limits, A, controller.signal);
    const outcome = expect(place).rejects.toThrow('the client left');
    controller.abort(new Error('the client left'));
    await outcome;
    asked[0]?.give();
    expect(taken.size).toBe(1);
    await turn();
    expect(taken.size).toBe(0);
  });

  test('a counter that answers leaves no listener', async () => {
    const { counter, asked } = byHand();
    const signal = new Cancellation();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const place = takeSlot(counter, limits, A, signal);
    asked[0]?.give();
    await place;
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
      take: async (slots) => {
        await counter.take(slots);
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

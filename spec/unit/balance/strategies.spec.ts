import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BALANCE_NAMES, strategyOf } from '../../../src/balance/strategies.js';
import type { BalanceName, HostState } from '../../../src/index.js';

const at = (n: number, load = 0, weight = 1): HostState => ({
  id: `10.0.0.${n}:5900`,
  host: { weight },
  load,
  up: true,
});

/** Returns the choice of a strategy among `hosts` for a key; `all` is the configured list. */
function picker(name: BalanceName, all: readonly HostState[]) {
  const strategy = strategyOf(name);
  return (hosts: readonly HostState[] = all, key = '192.0.2.1', from = all) => {
    const request = {
      req: {},
      address: key,
      path: `/${key}`,
      authority: 'desk',
      all: from,
      stickyKey: () => key,
    };
    return strategy.pick(hosts, request) as HostState | undefined;
  };
}

const without = (hosts: readonly HostState[], ...gone: (HostState | undefined)[]) =>
  hosts.filter((host) => !gone.includes(host));

test("the names are lighttpd's", () => {
  expect(BALANCE_NAMES).toEqual(['fair', 'least-connection', 'round-robin', 'hash', 'sticky']);
});

describe.each(['fair', 'least-connection'] as const)('%s', (name) => {
  test('chooses the lowest load', () => {
    const hosts = [at(0, 2), at(1, 1), at(2, 3)];
    expect(picker(name, hosts)()).toBe(hosts[1]);
  });

  test('chooses the first configured host if several are equal', () => {
    const hosts = [at(0, 1), at(1, 0), at(2, 0)];
    expect(picker(name, hosts)()).toBe(hosts[1]);
  });

  test('divides the load by the weight', () => {
    const hosts = [at(0, 3, 2), at(1, 7, 4), at(2, 2, 1)];
    expect(picker(name, hosts)()).toBe(hosts[0]);
  });
});

describe('round-robin', () => {
  const hosts = [at(0), at(1), at(2)];
  const places = (picked: (HostState | undefined)[], from = hosts) =>
    picked.map((host) => from.indexOf(host as HostState));

  test('follows the configured order and starts over, whatever the load', () => {
    const loaded = [at(0, 9), at(1, 0), at(2, 5)];
    const pick = picker('round-robin', loaded);
    expect(places([pick(), pick(), pick(), pick(), pick()], loaded)).toEqual([0, 1, 2, 0, 1]);
  });

  test('skips a host that is down, which gets its turn again afterwards', () => {
    const pick = picker('round-robin', hosts);
    const [, one, two] = hosts;
    const picked = [
      pick(),
      pick([hosts[0]!, two!]),
      pick(without(hosts, one)),
      pick(),
      pick(without(hosts, two)),
    ];
    expect(places(picked)).toEqual([0, 2, 0, 1, 0]);
    expect(pick([])).toBeUndefined();
  });

  test('chooses hosts as often as their weights say, evenly spread', () => {
    const weighted = [at(0, 0, 3), at(1, 0, 1), at(2, 0, 2)];
    const pick = picker('round-robin', weighted);
    const first = places(
      Array.from({ length: 6 }, () => pick()),
      weighted,
    );
    expect(first).toEqual([0, 2, 0, 1, 2, 0]);
    expect(
      places(
        Array.from({ length: 6 }, () => pick()),
        weighted,
      ),
    ).toEqual(first);
  });

  test('alternates separately for each list, and knows a new list by its hosts', () => {
    const other = [at(7), at(8)];
    const pick = picker('round-robin', hosts);
    expect(pick(hosts)).toBe(hosts[0]);
    expect(pick(other, '', other)).toBe(other[0]);
    expect(pick(hosts)).toBe(hosts[1]);
    const again = [...other];
    expect(pick(again, '', again)).toBe(other[1]);
    for (let n = 0; n < 2000; n++) {
      const many = [at(n + 100), at(n + 101)];
      pick(many, '', many);
    }
    // By now the 2000 newer lists have replaced the position of this list.
    const late = [...other];
    expect(pick(late, '', late)).toBe(other[0]);
  });

  test('alternates separately for each tunnel', () => {
    expect([picker('round-robin', hosts)(), picker('round-robin', hosts)()]).toEqual([hosts[0], hosts[0]]);
  });
});

describe.each(['hash', 'sticky'] as const)('%s', (name) => {
  const keys = Array.from({ length: 20_000 }, (_, n) => `client ${n}`);
  const count = (hosts: readonly HostState[]) => {
    const pick = picker(name, hosts);
    const counts = new Map(hosts.map((host) => [host.id, 0]));
    for (const key of keys) {
      const id = pick(hosts, key)!.id;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return [...counts.values()];
  };

  test.each([2, 3, 10])('spreads evenly over %d hosts', (n) => {
    const share = keys.length / n;
    for (const counted of count(Array.from({ length: n }, (_, i) => at(i)))) {
      expect(counted).toBeGreaterThan(share * 0.9);
      expect(counted).toBeLessThan(share * 1.1);
    }
  });

  test('spreads by weight', () => {
    const [one, three] = count([at(0, 0, 1), at(1, 0, 3)]);
    expect(three! / one!).toBeGreaterThan(2.7);
    expect(three! / one!).toBeLessThan(3.3);
  });

  test('moves only the keys of a host that dies, and back afterwards', () => {
    const many = fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(
        many,
        fc.array(fc.string(), { minLength: 1, maxLength: 50 }),
        fc.nat(),
        (numbers, some, n) => {
          const hosts = numbers.map((number) => at(number, 0, 1 + (number % 3)));
          const pick = picker(name, hosts);
          const dead = hosts[n % hosts.length];
          for (const key of some) {
            const before = pick(hosts, key);
            const after = pick(without(hosts, dead), key);
            if (before !== dead) expect(after).toBe(before);
            expect(pick([...hosts].reverse(), key)).toBe(before);
          }
        },
      ),
    );
  });

  test('spreads the keys of a dead host evenly over the others', () => {
    const hosts = [at(0), at(1), at(2), at(3)];
    const pick = picker(name, hosts);
    const moved = keys.filter((key) => pick(hosts, key) === hosts[0]);
    for (const host of without(hosts, hosts[0])) {
      const got = moved.filter((key) => pick(without(hosts, hosts[0]), key) === host).length;
      expect(got).toBeGreaterThan(moved.length * 0.28);
    }
  });
});

test('hash uses Host and path, sticky uses its key', () => {
  const hosts = Array.from({ length: 50 }, (_, n) => at(n));
  const base = { req: {}, address: 'a', path: '/p', authority: 'desk', all: hosts, stickyKey: () => 'k' };
  const spread = (name: BalanceName, change: (n: number) => object) => {
    const strategy = strategyOf(name);
    return new Set(
      Array.from({ length: 40 }, (_, n) => strategy.pick(hosts, { ...base, ...change(n) }) as HostState),
    ).size;
  };
  expect(spread('hash', (n) => ({ path: `/${n}` }))).toBeGreaterThan(10);
  expect(spread('hash', (n) => ({ authority: `h${n}` }))).toBeGreaterThan(10);
  expect(spread('hash', (n) => ({ address: `${n}`, stickyKey: () => `${n}` }))).toBe(1);
  expect(spread('hash', (n) => ({ authority: n % 2 ? 'DESK' : 'desk' }))).toBe(1);
  expect(spread('sticky', (n) => ({ stickyKey: () => `${n}` }))).toBeGreaterThan(10);
  expect(spread('sticky', (n) => ({ path: `/${n}`, authority: `${n}` }))).toBe(1);
});

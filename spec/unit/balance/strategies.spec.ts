import { describe, expect, test } from 'vitest';
import { fair, roundRobin, strategies } from '../../../src/balance/strategies.js';
import type { BalanceStrategy, HostState } from '../../../src/index.js';

const request = { req: {}, address: '192.0.2.1', path: '/', authority: 'desk' };
const at = (order: number, load = 0): HostState => ({ id: `h${order}`, host: {}, load, up: true, order });
const picks = (strategy: BalanceStrategy<unknown>, hosts: HostState[]) =>
  (strategy.pick(hosts, request) as HostState | undefined)?.id;

describe('fair', () => {
  test('the lowest load', () => {
    expect(picks(fair(), [at(0, 2), at(1, 1), at(2, 3)])).toBe('h1');
    expect(picks(fair(), [at(0, 2), at(1, 3), at(2, 0)])).toBe('h2');
  });

  test('of equals the first configured', () => {
    expect(picks(fair(), [at(0, 1), at(1, 0), at(2, 0)])).toBe('h1');
    expect(picks(fair(), [at(0), at(1), at(2)])).toBe('h0');
  });

  test("is lighttpd's least-connection too", () => {
    expect(strategies['least-connection']).toBe(fair);
    expect(Object.keys(strategies)).toEqual(['fair', 'least-connection', 'round-robin']);
  });
});

describe('round-robin', () => {
  test('in the configured order, from the first, and around', () => {
    const strategy = roundRobin();
    const hosts = [at(2), at(0), at(1)];
    expect([1, 2, 3, 4, 5].map(() => picks(strategy, hosts))).toEqual(['h0', 'h1', 'h2', 'h0', 'h1']);
    expect(hosts.map(({ id }) => id)).toEqual(['h2', 'h0', 'h1']);
  });

  test('load does not matter', () => {
    const strategy = roundRobin();
    expect([1, 2].map(() => picks(strategy, [at(0, 9), at(1, 0)]))).toEqual(['h0', 'h1']);
  });

  test('a host that is down is passed over, and has its turn again when it is back', () => {
    const strategy = roundRobin();
    const all = [at(0), at(1), at(2)];
    const without = (order: number) => all.filter((host) => host.order !== order);
    expect(picks(strategy, all)).toBe('h0');
    expect(picks(strategy, without(1))).toBe('h2');
    expect(picks(strategy, without(1))).toBe('h0');
    expect(picks(strategy, all)).toBe('h1');
    expect(picks(strategy, without(2))).toBe('h0');
    expect(picks(strategy, without(0))).toBe('h1');
    expect(picks(strategy, without(2))).toBe('h0');
  });

  test('each tunnel has its own turn', () => {
    const hosts = [at(0), at(1)];
    expect([roundRobin(), roundRobin()].map((strategy) => picks(strategy, hosts))).toEqual(['h0', 'h0']);
  });
});

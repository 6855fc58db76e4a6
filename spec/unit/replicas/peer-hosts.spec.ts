import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PeerHosts } from '../../../src/replicas/peer-hosts.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const said = (from: string, loads: Record<string, number>, down: Record<string, number> = {}) =>
  ({ kind: 'hosts', from, loads, down }) as const;

test('the load of a host is the sum over the last reports of all replicas', () => {
  const hosts = new PeerHosts(10);
  hosts.heard(said('a', { x: 1, y: 2 }));
  hosts.heard(said('b', { x: 10 }));
  expect([hosts.loadOf('x'), hosts.loadOf('y'), hosts.loadOf('z')]).toEqual([11, 2, 0]);
  hosts.heard(said('a', { x: 3 }));
  expect([hosts.loadOf('x'), hosts.loadOf('y')]).toEqual([13, 0]);
});

test('a host is down until the latest end of its outages in all reports', () => {
  const hosts = new PeerHosts(100);
  hosts.heard(said('a', {}, { x: 10 }));
  hosts.heard(said('b', {}, { x: 2 }));
  expect([hosts.isDown('x'), hosts.isDown('y')]).toEqual([true, false]);
  vi.advanceTimersByTime(9_900);
  expect(hosts.isDown('x')).toBe(true);
  vi.advanceTimersByTime(200);
  expect(hosts.isDown('x')).toBe(false);
});

test('a report that the host is up again ends the outage of that replica alone', () => {
  const hosts = new PeerHosts(100);
  hosts.heard(said('a', {}, { x: 10 }));
  hosts.heard(said('b', {}, { x: 10 }));
  hosts.heard(said('a', {}));
  expect(hosts.isDown('x')).toBe(true);
  hosts.heard(said('b', {}));
  expect(hosts.isDown('x')).toBe(false);
});

test('the report of a replica that has left is forgotten', () => {
  const hosts = new PeerHosts(10);
  hosts.heard(said('a', { x: 1 }, { x: 5 }));
  hosts.heard(said('b', { x: 2 }));
  hosts.forget('stranger');
  hosts.forget('a');
  expect([hosts.loadOf('x'), hosts.isDown('x')]).toEqual([2, false]);
});

test('the report of a replica that is silent for ttl is forgotten', () => {
  const hosts = new PeerHosts(10);
  hosts.heard(said('a', { x: 1 }));
  vi.advanceTimersByTime(6_000);
  hosts.heard(said('b', { x: 2 }));
  vi.advanceTimersByTime(4_000);
  hosts.sweep();
  expect(hosts.loadOf('x')).toBe(3);
  vi.advanceTimersByTime(1_000);
  hosts.sweep();
  expect(hosts.loadOf('x')).toBe(2);
});

test('of a report with more than ten thousand hosts, ten thousand count', () => {
  const hosts = new PeerHosts(10);
  const many = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`h${index}`, 1]));
  hosts.heard(said('a', many, many));
  expect([hosts.loadOf('h9999'), hosts.loadOf('h10000'), hosts.isDown('h10000')]).toEqual([1, 0, false]);
});

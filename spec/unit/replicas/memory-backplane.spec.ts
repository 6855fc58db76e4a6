import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { BackplaneListener } from '../../../src/replicas/backplane.js';
import { idBefore, isAfter } from '../../../src/replicas/end-ids.js';
import { MemoryBackplane, MemoryStore } from '../../../src/replicas/memory-backplane.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const one = (name: string, most = 1) => [{ name, most }];
const listenerOf = (texts: string[]): BackplaneListener => ({
  message: (text) => texts.push(text),
  interrupted: () => undefined,
  failed: () => undefined,
});

test('slots of all replicas count against a limit, and those of a replica that has left do not', () => {
  const store = new MemoryStore(10);
  store.join('a#1', undefined, [{ name: 'user x', count: 2 }]);
  store.join('b#1', undefined, []);
  expect(store.take('b#1', one('user x', 3))).toEqual({ kind: 'taken', lastEnd: '0-0' });
  expect(store.take('a#1', one('user x', 3))).toEqual({ kind: 'full', index: 0, lastEnd: '0-0' });
  store.leave('a#1');
  expect(store.take('b#1', one('user x', 3)).kind).toBe('taken');
  expect(store.take('b#1', one('user x', 3)).kind).toBe('taken');
  expect(store.take('b#1', one('user x', 3)).kind).toBe('full');
});

test('a request for several slots takes all of them or none', () => {
  const store = new MemoryStore(10);
  store.join('a#1', undefined, [{ name: 'full', count: 1 }]);
  expect(store.take('a#1', [...one('free'), ...one('full')])).toEqual({
    kind: 'full',
    index: 1,
    lastEnd: '0-0',
  });
  expect(store.take('a#1', one('free')).kind).toBe('taken');
});

test('a replica without a heartbeat for ttl is unknown, and its slots are free', () => {
  const store = new MemoryStore(10);
  store.join('a#1', undefined, [{ name: 'x', count: 1 }]);
  vi.advanceTimersByTime(6000);
  store.join('b#1', undefined, []);
  expect(store.beat('b#1').replicas).toEqual(['a#1', 'b#1']);
  vi.advanceTimersByTime(5000);
  expect(store.beat('b#1')).toMatchObject({ isKnown: true, replicas: ['b#1'] });
  expect(store.beat('a#1')).toMatchObject({ isKnown: false });
  expect(store.take('a#1', one('x'))).toEqual({ kind: 'unknown' });
  store.adjust('a#1', [{ name: 'x', count: 5 }]);
  expect(store.take('b#1', one('x')).kind).toBe('taken');
});

test('a join under a new id replaces the counts under the old one at the same moment', () => {
  const store = new MemoryStore(10);
  store.join('a#1', undefined, [{ name: 'x', count: 5 }, { name: 'y', count: 1 }]); // prettier-ignore
  store.join('a#2', 'a#1', [{ name: 'x', count: 1 }]);
  expect(store.take('a#1', one('y')).kind).toBe('unknown');
  expect(store.take('a#2', one('x')).kind).toBe('full');
  expect(store.take('a#2', one('y')).kind).toBe('taken');
  expect(store.beat('a#2').replicas).toEqual(['a#2']);
});

test('a count never falls below zero', () => {
  const store = new MemoryStore(10);
  store.join('a#1', undefined, []);
  store.adjust('a#1', [{ name: 'x', count: -3 }]);
  expect(store.take('a#1', one('x')).kind).toBe('taken');
  expect(store.take('a#1', one('x')).kind).toBe('full');
});

test('ids of ends grow, and the ends after any id can be read', () => {
  const store = new MemoryStore(10);
  store.join('a#1', undefined, []);
  const one = store.storeEnd('one');
  const two = store.storeEnd('two');
  expect([one, two]).toMatchObject([{ previous: '0-0', replicas: ['a#1'] }, { previous: one.id }]);
  expect(isAfter(two.id, one.id)).toBe(true);
  expect(store.beat('a#1').lastEnd).toBe(two.id);
  expect(store.endsAfter('0-0')).toMatchObject({
    isComplete: true,
    ends: [{ text: 'one' }, { text: 'two' }],
  });
  expect(store.endsAfter(one.id).ends.map(({ text }) => text)).toEqual(['two']);
  expect(store.endsAfter(two.id)).toEqual({ isComplete: true, ends: [] });
  expect(store.endsAfter(idBefore(one.at)).ends.map(({ text }) => text)).toEqual(['one', 'two']);
});

test('the list of ends has a limit, and an answer without forgotten ends is marked as incomplete', () => {
  const store = new MemoryStore(10);
  const ids = Array.from({ length: 10_001 }, (_, count) => store.storeEnd(String(count)).id);
  expect(store.endsAfter('0-0').isComplete).toBe(false);
  const { ends, isComplete } = store.endsAfter(ids[8999]!);
  expect([ends.length, isComplete]).toEqual([1001, true]);
});

test('a message reaches all listeners or the one with the name, until the backplane is closed', async () => {
  const store = new MemoryStore(10);
  const [a, b] = [new MemoryBackplane(store), new MemoryBackplane(store)];
  const [toA, toB] = [[], []] as [string[], string[]];
  await a.listen('a', listenerOf(toA));
  await b.listen('b', listenerOf(toB));
  await a.publish('to all');
  await a.publish('to b', 'b');
  await a.publish('to nobody', 'c');
  await b.close();
  await a.publish('again');
  expect([toA, toB]).toEqual([['to all', 'again'], ['to all', 'to b']]); // prettier-ignore
});

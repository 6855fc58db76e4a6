import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { noTotals } from '../../../src/admin/admin-state.js';
import type { PeerQuestion } from '../../../src/admin/peer-answer.js';
import { PeerStates } from '../../../src/admin/peer-states.js';
import { readQuery } from '../../../src/admin/query.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const row = (id: string) => ({ id, name: null, address: '::1', url: '/', backend: 'b', since: 1 });

/** `answers`: of each other process, by address. */
function start(answers: Record<string, unknown>, silent: string[] = []) {
  const asked: PeerQuestion[] = [];
  const states = new PeerStates({
    address: 'here#0',
    nameOf: (address) => address.split('#')[0] ?? '',
    count: () => Object.keys(answers).length + silent.length,
    ask: async (question) => {
      asked.push(question);
      return Promise.resolve({ answers: new Map(Object.entries(answers)), silent });
    },
  });
  return { states, asked };
}

const first = readQuery('');
const second = readQuery('q=ann');

describe('PeerStates', () => {
  test('joins the tunnels and totals of all processes', async () => {
    const result = (id: string) => [{ matching: 7, rows: [row(id)] }];
    const { states } = start({
      'a#1': { totals: { ...noTotals(), open: 7, refused: { X: 1 } }, results: result('1') },
      'b#1': { totals: { ...noTotals(), open: 2, refused: { X: 2, Y: 1 } }, results: result('2') },
    });
    await states.ready(first);
    const { matching, rows, totals, replicas } = states.latest(first);
    expect(matching).toBe(14);
    expect(rows.map(({ id, replica }) => [id, replica])).toEqual([
      ['1', 'a'],
      ['2', 'b'],
    ]);
    expect(totals).toMatchObject({ open: 9, refused: { X: 3, Y: 1 } });
    expect(replicas).toEqual([
      { name: 'a', silent: false, tunnels: 7 },
      { name: 'b', silent: false, tunnels: 2 },
    ]);
  });

  test('shows processes without an answer, and those of an older version, as silent', async () => {
    const { states } = start({ 'old#1': undefined, 'odd#1': { results: 'x' } }, ['mute#1']);
    await states.ready(first);
    expect(states.latest(first)).toMatchObject({
      matching: 0,
      replicas: ['mute', 'old', 'odd'].map((name) => ({ name, silent: true })),
    });
  });

  test('drops values of the wrong type, and cuts long texts and lists', async () => {
    const rows = [
      { ...row('1'), url: 'u'.repeat(20_000), since: 'now', user: 5, roundTrip: '1', queued: Infinity },
      { id: 5, address: '::1' },
      null,
      ...Array.from({ length: 9000 }, (_, index) => row(`more ${index}`)),
    ];
    const { states } = start({ 'a#1': { results: [{ matching: 'x', rows }] } });
    await states.ready(first);
    const found = states.latest(first);
    expect(found.rows.length).toBe(4998);
    expect(found.rows[0]).toEqual({
      ...{ ...row('1'), url: `${'u'.repeat(999)}…`, since: 0, bytesIn: 0, bytesOut: 0 },
      ...{ received: 0, sent: 0, queued: 0, replica: 'a' },
    });
    expect(found.totals).toEqual(noTotals());
  });

  test('asks at most every two seconds, all queries in one question', async () => {
    const { states, asked } = start({ 'a#1': { results: [] } });
    await states.ready(first);
    expect(asked).toEqual([{ queries: [first], most: 5000 }]);
    const other = states.ready(second);
    for (let ticks = 0; ticks < 20; ticks++) {
      states.latest(first);
      await vi.advanceTimersByTimeAsync(99);
    }
    expect(asked.length).toBe(1);
    await vi.advanceTimersByTimeAsync(100);
    await other;
    expect(asked.length).toBe(2);
    expect(asked[1]).toEqual({ queries: [second, first], most: 2500 });
    await states.ready(second);
    expect(asked.length).toBe(2);
  });

  test('asks for a query only while somebody repeats it, and never by itself', async () => {
    const { states, asked } = start({ 'a#1': { results: [] } });
    await states.ready(first);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked.length).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
    await states.ready(second);
    expect(asked[1]?.queries).toEqual([second]);
  });

  test('shows no answers of a former reader while the next question has no answer', async () => {
    const result = { matching: 1, rows: [row('1')] };
    const { states, asked } = start({ 'a#1': { totals: { ...noTotals(), open: 1 }, results: [result] } });
    await states.ready(first);
    await vi.advanceTimersByTimeAsync(5000);
    expect(states.latest(first).matching).toBe(1);
    await vi.advanceTimersByTimeAsync(60_000);
    const latest = states.latest(first);
    expect([latest.matching, latest.totals.open, latest.rows]).toEqual([0, 0, []]);
    expect(asked.length).toBe(3);
  });

  test('asks for at most 32 queries', async () => {
    const { states, asked } = start({ 'a#1': { results: [] } });
    const all = Array.from({ length: 40 }, (_, index) => states.ready(readQuery(`q=${index}`)));
    await vi.advanceTimersByTimeAsync(2000);
    await Promise.all(all);
    expect(asked.map(({ queries }) => queries.length)).toEqual([1, 32]);
  });
});

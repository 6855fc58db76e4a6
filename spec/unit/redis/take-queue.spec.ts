import { describe, expect, test } from 'vitest';
import type { SlotRequest, TakeOutcome } from '../../../src/replicas/backplane.js';
import { TakeQueue } from '../../../src/redis/take-queue.js';

const slot = (name: string): SlotRequest[] => [{ name, most: 1 }];
const names = (requests: readonly (readonly SlotRequest[])[]) => requests.map((slots) => slots[0]?.name);

/** A queue whose calls the test answers. */
function make(timeout = 5) {
  const calls: {
    replica: string;
    names: (string | undefined)[];
    answer: (outcomes?: TakeOutcome[]) => void;
    fail: () => void;
  }[] = [];
  const queue = new TakeQueue(
    (replica, requests) =>
      new Promise((resolve, reject) => {
        const taken = () =>
          requests.map(({ length }) => ({ kind: 'taken', lastEnd: String(length) }) as const);
        calls.push({
          replica,
          names: names(requests),
          answer: (outcomes = taken()) => resolve(outcomes),
          fail: () => reject(new Error('READONLY')),
        });
      }),
    timeout,
  );
  return { queue, calls };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('requests for slots', () => {
  test('are sent at once while fewer than two calls are under way, and then together', async () => {
    const { queue, calls } = make();
    const takes = ['a', 'b', 'c', 'd', 'e'].map((name) => queue.take('r#1', slot(name)));
    expect(calls.map((call) => call.names)).toEqual([['a'], ['b']]);
    calls[0]?.answer();
    await turn();
    expect(calls.map((call) => call.names)).toEqual([['a'], ['b'], ['c', 'd', 'e']]);
    calls[1]?.answer();
    calls[2]?.answer([
      { kind: 'full', index: 0, lastEnd: '7' },
      { kind: 'taken', lastEnd: '7' },
      { kind: 'broken', reason: 'of another type' },
    ]);
    expect((await Promise.all(takes)).map(({ kind }) => kind)).toEqual([
      'taken',
      'taken',
      'full',
      'taken',
      'broken',
    ]);
  });

  test('under two ids of the replica are not in one call', async () => {
    const { queue, calls } = make();
    const takes = ['r#1', 'r#1', 'r#1', 'r#2', 'r#2'].map((id, at) => queue.take(id, slot(`n${at}`)));
    for (let at = 0; at < 4; at++) {
      calls[at]?.answer();
      await turn();
    }
    await Promise.all(takes);
    expect(calls.map(({ replica, names: sent }) => [replica, sent.length])).toEqual([
      ['r#1', 1],
      ['r#1', 1],
      ['r#1', 1],
      ['r#2', 2],
    ]);
  });

  test('with more than 250 names are split into several calls', async () => {
    const { queue, calls } = make();
    const takes = Array.from({ length: 602 }, (_, at) => queue.take('r#1', slot(`n${at}`)));
    for (let at = 0; at < 5; at++) {
      calls[at]?.answer();
      await turn();
    }
    await Promise.all(takes);
    expect(calls.map((call) => call.names.length)).toEqual([1, 1, 250, 250, 100]);
  });

  test('of a failed call all fail, and the next ones are sent', async () => {
    const { queue, calls } = make();
    const first = [queue.take('r#1', slot('a')), queue.take('r#1', slot('b')), queue.take('r#1', slot('c'))];
    const failures = Promise.allSettled(first);
    for (let at = 0; at < 3; at++) {
      calls[at]?.fail();
      await turn();
    }
    expect((await failures).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    const next = queue.take('r#1', slot('d'));
    calls[3]?.answer();
    expect(await next).toMatchObject({ kind: 'taken' });
  });

  test('are sent although earlier calls are never answered', async () => {
    const { queue, calls } = make(0.05);
    const stuck = Promise.allSettled([queue.take('r#1', slot('a')), queue.take('r#1', slot('b'))]);
    const next = queue.take('r#1', slot('c'));
    expect((await stuck).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    calls[2]?.answer();
    expect(await next).toMatchObject({ kind: 'taken' });
  });

  test('fail if ten thousand requests are queued', async () => {
    const { queue } = make();
    const takes = Array.from({ length: 10_003 }, () => queue.take('r#1', slot('a')));
    await expect(takes.at(-1)).rejects.toThrow('too many requests');
    for (const one of takes) one.catch(() => undefined);
  });
});

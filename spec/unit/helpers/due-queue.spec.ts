import { expect, test } from 'vitest';
import { DueQueue, type Due } from '../../../src/helpers/due-queue.js';
import { Random } from '../../support/random.js';

test('gives the entries by due time, whichever entries are removed in between', () => {
  const random = new Random(7);
  for (let round = 0; round < 200; round++) {
    const queue = new DueQueue<Due>();
    const left = new Set<Due>();
    for (let step = 0; step < 60; step++) {
      const removed = random.oneIn(3) ? [...left][random.below(left.size + 1)] : undefined;
      const entry = removed ?? { due: random.below(20), place: -1 };
      if (removed) {
        queue.remove(entry);
        left.delete(entry);
        expect(entry.place).toBe(-1);
      } else {
        queue.add(entry);
        left.add(entry);
      }
      expect(queue.first?.due).toBe(
        left.size === 0 ? undefined : Math.min(...[...left].map(({ due }) => due)),
      );
    }
    expect(new Set(queue.all())).toEqual(left);
    const times: number[] = [];
    for (let { first } = queue; first; { first } = queue) {
      times.push(first.due);
      queue.remove(first);
    }
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times).toHaveLength(left.size);
  }
});

test('an entry that is queued is not added again, and an entry outside is not removed', () => {
  const queue = new DueQueue<Due>();
  const [one, other] = [
    { due: 1, place: -1 },
    { due: 2, place: -1 },
  ];
  queue.add(one);
  queue.add(one);
  queue.remove(other);
  expect(queue.size).toBe(1);
});

import { describe, expect, test } from 'vitest';
import { Pace } from '../../../src/helpers/pace.js';

const TIME = 60_000;

/** Runs the actions at the times that the timer gives, and returns these times. `left` may lose actions in between. */
function run(count: number, fires: (due: number) => number, lose = (left: number) => left): number[] {
  const pace = new Pace(0, TIME, count);
  const times: number[] = [];
  for (let left = count, now = 0; left > 0;) {
    now = Math.max(now, fires(pace.due));
    while (left > 0 && pace.due <= now) {
      times.push(now);
      left = lose(left - 1);
      pace.ran(now, left);
    }
  }
  return times;
}

const gapsOf = (times: readonly number[]) => times.slice(1).map((time, index) => time - times[index]!);

describe('Pace', () => {
  test.each([1, 2, 7, 1000])('spreads %i actions evenly over the time', (count) => {
    const times = run(count, (due) => due);
    expect(times).toHaveLength(count);
    for (const gap of gapsOf(times)) expect(gap).toBeCloseTo(TIME / count, 5);
    expect(times[0]).toBeGreaterThanOrEqual(0);
    expect(times.at(-1)).toBeLessThanOrEqual(TIME);
  });

  test('does not begin at once: several processes must not act at the same moments', () => {
    const first = Array.from({ length: 50 }, () => new Pace(0, TIME, 10).due);
    expect(new Set(first).size).toBeGreaterThan(40);
    for (const due of first) expect(due).toBeLessThan(TIME / 10);
  });

  test('keeps the rate although each timer is late', () => {
    const times = run(6000, (due) => due + 3);
    // The timers are 3 ms late and the actions 10 ms apart: the delays must not add up.
    expect(times.at(-1)).toBeLessThanOrEqual(TIME + 3);
  });

  test('is slower, not faster, after half of the actions were lost', () => {
    const times = run(
      100,
      (due) => due,
      (left) => (left === 80 ? 40 : left),
    );
    expect(times).toHaveLength(60);
    for (const gap of gapsOf(times)) expect(gap).toBeGreaterThanOrEqual(TIME / 100 - 0.001);
    expect(times.at(-1)).toBeGreaterThan(TIME - (TIME / 100) * 2.1);
    expect(times.at(-1)).toBeLessThanOrEqual(TIME);
  });

  test('does not run the missed actions together after a stall', () => {
    let stalled = false;
    const times = run(1000, (due) => {
      if (stalled || due < 5000) return due;
      stalled = true;
      return due + 30_000;
    });
    // 60 ms apart: a window of a second has at most 17, and one more that is caught up.
    for (const [index, time] of times.entries())
      expect(times.slice(index).filter((other) => other < time + 1000).length).toBeLessThanOrEqual(18);
    expect(times.at(-1)).toBeLessThan(TIME + 30_000);
  });

  test('of no time runs all actions at once', () => {
    const pace = new Pace(5, 0, 3);
    for (const left of [2, 1, 0]) {
      expect(pace.due).toBe(5);
      pace.ran(5, left);
    }
  });
});

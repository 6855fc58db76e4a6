import { expect, test } from 'vitest';
import { StoreClock } from '../../../src/replicas/store-clock.js';

test('before the first answer both clocks count as equal', () => {
  expect(new StoreClock().ahead).toBe(0);
});

test('the bounds of the difference are those of the quickest answer', () => {
  const clock = new StoreClock();
  clock.note(10_000, 0, 500);
  expect(clock.ahead).toBe(9750.5);
  clock.note(11_010, 1000, 1011);
  expect(Math.abs(clock.ahead - 10_005)).toBeLessThanOrEqual(6);
  const { ahead } = clock;
  clock.note(13_900, 2000, 4000);
  expect(clock.ahead).toBe(ahead);
});

test('a change of the clock of the store applies at once, in both directions', () => {
  const clock = new StoreClock();
  clock.note(10_000, 0, 1);
  clock.note(3_610_000, 10, 11);
  expect(Math.abs(clock.ahead - 3_609_990)).toBeLessThanOrEqual(1);
  clock.note(500, 20, 21);
  expect(Math.abs(clock.ahead - 480)).toBeLessThanOrEqual(1);
});

test('a past time becomes the latest possible time, but never a future one', () => {
  const clock = new StoreClock();
  clock.note(performance.now() + 10_000, performance.now() - 50, performance.now());
  const now = performance.now();
  const given = clock.latest(now + 9_900);
  expect(given).toBeGreaterThan(now - 110);
  expect(given).toBeLessThanOrEqual(performance.now());
  expect(clock.latest(now + 20_000)).toBeLessThanOrEqual(performance.now());
});

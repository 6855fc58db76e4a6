import { expect, test } from 'vitest';
import { Histogram } from '../../../../src/observe/metrics/histogram.js';

test('a value is counted in the bucket of its bound and in all buckets above', () => {
  const histogram = new Histogram([1, 2, 5]);
  for (const value of [0.5, 1, 1.5, 5, 6, 1e9]) histogram.observe(value);
  expect(histogram.cumulativeCounts()).toEqual([2, 3, 4, 6]);
  expect(histogram.count).toBe(6);
  expect(histogram.sum).toBe(1e9 + 14);
});

test('the sum never falls', () => {
  const histogram = new Histogram([1]);
  histogram.observe(2);
  histogram.observe(-1);
  expect(histogram.sum).toBe(2);
  expect(histogram.cumulativeCounts()).toEqual([1, 2]);
});

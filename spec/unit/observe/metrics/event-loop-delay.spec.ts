import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Histogram } from '../../../../src/observe/metrics/histogram.js';

let eventLoopDelay: () => Histogram;

beforeEach(async () => {
  vi.resetModules();
  ({ eventLoopDelay } = await import('../../../../src/observe/metrics/event-loop-delay.js'));
  vi.useFakeTimers();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

test('delays are sampled from the first page until ten minutes after the last one', () => {
  expect(vi.getTimerCount()).toBe(0);
  const histogram = eventLoopDelay();
  vi.advanceTimersByTime(1000);
  expect(histogram.count).toBe(10);
  expect(histogram.sum).toBe(0);
  eventLoopDelay();
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(599_900);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(100);
  expect(vi.getTimerCount()).toBe(0);
  expect(eventLoopDelay()).toBe(histogram);
  expect(histogram.count).toBe(6010);
});

test('a blocked process shows as a delay', () => {
  const histogram = eventLoopDelay();
  const due = performance.now() + 100;
  vi.spyOn(performance, 'now').mockReturnValue(due + 400);
  vi.advanceTimersByTime(100);
  expect(histogram.sum).toBeCloseTo(0.4);
  expect(histogram.count).toBe(1);
});

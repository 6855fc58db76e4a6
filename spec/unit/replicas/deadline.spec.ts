import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StoreError, withDeadline } from '../../../src/replicas/deadline.js';
import { deferred } from '../../support/wait.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test('a result in time is passed on, and so is a failure', async () => {
  expect(await withDeadline(1, () => Promise.resolve(7))).toBe(7);
  await expect(withDeadline(1, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
});

test('a call that throws instead of rejecting leaves no timer', async () => {
  const call = () => {
    throw new Error('at once');
  };
  await expect(withDeadline(1, call)).rejects.toThrow('at once');
});

test('a failure after the deadline is not an unhandled rejection', async () => {
  const late = deferred();
  const waiting = expect(withDeadline(1, () => late.promise)).rejects.toThrow(
    new StoreError('no answer within 1 second'),
  );
  await vi.advanceTimersByTimeAsync(1000);
  await waiting;
  late.reject(new Error('late'));
  await vi.advanceTimersByTimeAsync(1);
});

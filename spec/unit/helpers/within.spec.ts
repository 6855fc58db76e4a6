import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { within } from '../../../src/helpers/within.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const DAY = 86_400;

test('waits longer than the longest timer of Node', async () => {
  const ended = vi.fn();
  void within(60 * DAY, new Promise(() => undefined)).then(ended);
  await vi.advanceTimersByTimeAsync(59 * DAY * 1000);
  expect(ended).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(DAY * 1000);
  expect(ended).toHaveBeenCalledWith(false);
});

test('leaves no timer when the promise settles', async () => {
  expect(await within(60 * DAY, Promise.resolve())).toBe(true);
  await expect(within(60 * DAY, Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(vi.getTimerCount()).toBe(0);
});

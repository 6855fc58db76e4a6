import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Watch, type Activity, type WatchLimits } from '../../../src/streams/watch.js';

const NONE: WatchLimits = {
  ...{ idleTimeout: 0, maxDuration: 0, readTimeout: 0, writeTimeout: 0 },
  clientWriteTimeout: 0,
  inputIdleTimeout: 0,
};
const WEEK = 7 * 24 * 3600;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function start(
  limits: Partial<WatchLimits>,
  sample: (activity: { stalledSince: number | undefined }, now: number) => void = () => undefined,
) {
  const activity = {
    lastPayload: performance.now(),
    silentSince: performance.now() as number | undefined,
    stalledSince: undefined as number | undefined,
    clientStalledSince: undefined,
    sample: (now: number) => sample(activity, now),
  } satisfies Activity;
  const expired: string[] = [];
  const watch = new Watch({ ...NONE, ...limits }, activity, {
    expired: ({ code, reason }) => expired.push(`${code} ${reason}`),
  });
  return { activity, expired, stop: () => watch.stop() };
}

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);

test('without limits no timer is set', () => {
  start({});
  expect(vi.getTimerCount()).toBe(0);
});

test('idle time counts from the last payload, to the millisecond, and is reported once', async () => {
  const { activity, expired } = start({ idleTimeout: 60 });
  await pass(59);
  activity.lastPayload = performance.now();
  await pass(59.9);
  expect(expired).toEqual([]);
  await pass(0.2);
  expect(expired).toEqual(['1001 idle for 60 s']);
  await pass(600);
  expect(expired).toHaveLength(1);
});

test('traffic sets no timer', () => {
  const { activity } = start({ idleTimeout: 60, maxDuration: 600, readTimeout: 5 });
  expect(vi.getTimerCount()).toBe(1);
  activity.lastPayload = performance.now();
  expect(vi.getTimerCount()).toBe(1);
});

test('limits of weeks, longer than one timer allows, are kept', async () => {
  const { expired } = start({ maxDuration: 5 * WEEK });
  await pass(5 * WEEK - 1);
  expect(expired).toEqual([]);
  await pass(2);
  expect(expired).toEqual([`1001 open for ${5 * WEEK} s`]);
});

test('a silent backend is reported, but not while it is paused', async () => {
  const { activity, expired } = start({ readTimeout: 10 });
  activity.silentSince = undefined;
  await pass(35);
  expect(expired).toEqual([]);
  activity.silentSince = performance.now();
  await pass(9.9);
  expect(expired).toEqual([]);
  await pass(10);
  expect(expired).toEqual(['1011 the backend was silent for 10 s']);
});

test('a backend that accepts no bytes is reported', async () => {
  let since = undefined as number | undefined;
  const { expired } = start({ writeTimeout: 8 }, (activity) => (activity.stalledSince = since));
  await pass(20);
  since = performance.now();
  await pass(7.9);
  expect(expired).toEqual([]);
  await pass(2.1);
  expect(expired).toEqual(['1011 the backend accepted no data for 8 s']);
});

test('a backend that accepts no bytes is reported in time, although its queue is seen only by polling', async () => {
  let waits = false;
  const { expired } = start({ writeTimeout: 8 }, (activity, now) => {
    if (waits) activity.stalledSince ??= now;
  });
  await pass(9);
  waits = true;
  await pass(8 + 8 / 4);
  expect(expired).toEqual(['1011 the backend accepted no data for 8 s']);
});

test('bytes that arrived while the event loop was blocked are read before the check', async () => {
  const { activity, expired } = start({ idleTimeout: 60 });
  await pass(59);
  vi.advanceTimersToNextTimer();
  activity.lastPayload = performance.now();
  await pass(59);
  expect(expired).toEqual([]);
});

test('a backend is not silent while the event loop is blocked', async () => {
  const now = performance.now.bind(performance);
  let stood = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + stood);
  onTestFinished(() => clock.mockRestore());
  await pass(1);
  const { expired } = start({ readTimeout: 10 });
  await pass(2);
  stood = 60_000;
  // The next check, at 2.5, notices that the event loop was blocked.
  await pass(10);
  expect(expired).toEqual([]);
  await pass(3);
  expect(expired).toEqual(['1011 the backend was silent for 10 s']);
});

test('nothing is reported after a stop between the timer and its check', async () => {
  const { stop, expired } = start({ maxDuration: 1 });
  vi.advanceTimersToNextTimer();
  stop();
  expect(vi.getTimerCount()).toBe(0);
  await pass(10);
  expect(expired).toEqual([]);
});

test('a stop leaves no timer and reports nothing', async () => {
  const { stop, expired } = start({ idleTimeout: 1, maxDuration: 1, readTimeout: 1, writeTimeout: 1 });
  stop();
  expect(vi.getTimerCount()).toBe(0);
  await pass(10);
  expect(expired).toEqual([]);
});

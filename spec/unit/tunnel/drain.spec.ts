import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Cancellation } from '../../../src/helpers/abort.js';
import { deferred } from '../../../src/helpers/deferred.js';
import { MAX_TIMEOUT } from '../../../src/helpers/max-timeout.js';
import { readCloseOptions } from '../../../src/tunnel/closing.js';
import { Drain } from '../../../src/tunnel/drain.js';
import type { CloseOptions } from '../../../src/types.js';

const DAY = 86_400;

type Context = ConstructorParameters<typeof Drain>[0];

/** An open tunnel without sockets. The client answers no Close. */
class FakeTunnel {
  isOpen = true;
  /** The time of the Close, in seconds since the first call of `close()`. */
  closedAt: number | undefined;
  sent: { code: number; reason: string } | undefined;
  isDestroyed = false;
  readonly #ended = deferred();
  readonly #open: Set<FakeTunnel>;

  constructor(open: Set<FakeTunnel>) {
    this.#open = open;
    open.add(this);
  }

  close(code: number, reason: string): void {
    expect(this.isOpen).toBe(true);
    this.isOpen = false;
    this.sent = { code, reason };
    this.closedAt = performance.now() / 1000;
  }

  destroy(): void {
    this.isDestroyed = true;
    this.end();
  }

  /** The tunnel ends by itself, or after the answer to the Close. */
  end(): void {
    this.isOpen = false;
    this.#open.delete(this);
    this.#ended.resolve();
  }

  untilClosed(): Promise<void> {
    return this.#ended.promise;
  }
}

function drainOf(count: number, options: CloseOptions) {
  const open = new Set<FakeTunnel>();
  const tunnels = Array.from({ length: count }, () => new FakeTunnel(open));
  const attempt = new Cancellation();
  const logins = { stop: vi.fn() };
  const context = { open, opening: new Set([{ attempt }]), refusing: new Set(), logins };
  const drain = new Drain(context as unknown as Context, readCloseOptions(options));
  let isDone = false;
  void drain.done.then(() => (isDone = true));
  return {
    drain,
    tunnels,
    attempt,
    logins,
    isDone: () => isDone,
    closed: () => tunnels.filter(({ closedAt }) => closedAt !== undefined).length,
    shorten: (later: CloseOptions = {}) => drain.shorten(readCloseOptions(later, drain.plan)),
  };
}

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000);

beforeEach(() => {
  vi.useFakeTimers({
    now: 1_800_000_000_000,
    toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance', 'Date'],
  });
});

afterEach(() => void vi.useRealTimers());

describe('the grace', () => {
  test('lets tunnels go on, then sends the Closes, then destroys the rest', async () => {
    const { tunnels, attempt, logins, closed, isDone } = drainOf(3, { grace: 60, timeout: 5 });
    expect(attempt.reason).toMatchObject({ code: 'WSTUNNEL_DRAINING', headers: { 'Retry-After': '1' } });
    await seconds(59.9);
    expect(closed()).toBe(0);
    expect(logins.stop).not.toHaveBeenCalled();
    await seconds(0.2);
    expect(closed()).toBe(3);
    expect(tunnels[0]!.sent).toEqual({ code: 1001, reason: 'the server is closing' });
    expect(logins.stop).toHaveBeenCalledOnce();
    tunnels[0]!.end();
    await seconds(4.8);
    expect(isDone()).toBe(false);
    await seconds(0.2);
    expect(tunnels.map(({ isDestroyed }) => isDestroyed)).toEqual([false, true, true]);
    expect(isDone()).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('ends as soon as the last tunnel has ended by itself', async () => {
    const { tunnels, isDone } = drainOf(2, { grace: 3600, spread: 600 });
    tunnels[0]!.end();
    await seconds(10);
    expect(isDone()).toBe(false);
    tunnels[1]!.end();
    await seconds(0.1);
    expect(isDone()).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('without any tunnel is over at once', async () => {
    const { isDone } = drainOf(0, { grace: 3600, spread: 600 });
    await seconds(0.1);
    expect(isDone()).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('of 40 days is no moment: no timer is longer than setTimeout allows', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout');
    const { closed } = drainOf(1, { grace: 40 * DAY });
    await seconds(40 * DAY - 1);
    expect(closed()).toBe(0);
    await seconds(1.1);
    expect(closed()).toBe(1);
    for (const [, delay] of set.mock.calls) expect(delay).toBeLessThanOrEqual(MAX_TIMEOUT);
  });

  test.each([-10, 10])('is not changed by a step of the system clock by %i days', async (days) => {
    const { closed } = drainOf(1, { grace: 60 });
    await seconds(30);
    const now = performance.now();
    vi.setSystemTime(Date.now() + days * DAY * 1000);
    expect(performance.now()).toBe(now);
    await seconds(29.9);
    expect(closed()).toBe(0);
    await seconds(0.2);
    expect(closed()).toBe(1);
  });

  test('does not keep a process running that has nothing else to do', () => {
    const set = vi.spyOn(globalThis, 'setTimeout');
    drainOf(1, { grace: 60 });
    expect(set.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef())).toEqual([false]);
  });
});

describe('the spread', () => {
  test('sends the Closes evenly, with one timer', async () => {
    const { tunnels, isDone, closed, logins } = drainOf(120, { grace: 10, spread: 60, timeout: 5 });
    for (let at = 0; at < 70; at += 0.5) {
      expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
      if (closed() < 120) expect(logins.stop).not.toHaveBeenCalled();
      await seconds(0.5);
    }
    const times = tunnels.map(({ closedAt }) => closedAt ?? Infinity);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...times)).toBeLessThanOrEqual(70);
    // Two a second.
    for (const from of times)
      expect(times.filter((time) => time >= from && time < from + 4.9).length).toBeLessThanOrEqual(10);
    await seconds(5.1);
    expect(isDone()).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('does not count tunnels that end by themselves', async () => {
    const { tunnels, closed } = drainOf(100, { spread: 100 });
    await seconds(20.1);
    expect(closed()).toBeGreaterThanOrEqual(20);
    // The client has sent a Close: the connection still exists.
    for (const one of tunnels.filter(({ isOpen }) => isOpen).slice(0, 40)) one.isOpen = false;
    const before = closed();
    await seconds(20);
    // 40 tunnels are left for 80 seconds, and at most one Close follows the earlier pace.
    expect(closed() - before).toBeGreaterThanOrEqual(9);
    expect(closed() - before).toBeLessThanOrEqual(11);
    await seconds(60);
    expect(closed()).toBe(60);
  });

  test('is over when the last tunnels end by themselves', async () => {
    const { tunnels, isDone } = drainOf(3, { spread: 3600 });
    for (const one of tunnels) one.end();
    await seconds(0.1);
    expect(isDone()).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a later call', () => {
  test('without options ends the grace at once, with the code of the first call', async () => {
    const { tunnels, closed, shorten, isDone } = drainOf(2, {
      ...{ grace: 3600, spread: 60, timeout: 7 },
      ...{ code: 4000, reason: 'maintenance' },
    });
    await seconds(10);
    shorten();
    expect(closed()).toBe(2);
    expect(tunnels[1]!.sent).toEqual({ code: 4000, reason: 'maintenance' });
    await seconds(6.9);
    expect(isDone()).toBe(false);
    await seconds(0.2);
    expect(isDone()).toBe(true);
  });

  test('may give another code and reason', async () => {
    const { tunnels, shorten } = drainOf(1, { grace: 3600, code: 4000, reason: 'maintenance' });
    shorten({ code: 1012, reason: 'restart' });
    expect(tunnels[0]!.sent).toEqual({ code: 1012, reason: 'restart' });
    await seconds(0);
  });

  test.each<[string, CloseOptions, CloseOptions, number]>([
    ['a shorter grace', { grace: 100 }, { grace: 20 }, 20],
    ['a longer grace', { grace: 100 }, { grace: 200 }, 90],
    ['a longer grace after the first has nearly passed', { grace: 11 }, { grace: 50, spread: 50 }, 1],
  ])('ends the grace after the shorter of both: %s', async (_what, first, second, after) => {
    const { closed, shorten } = drainOf(1, first);
    await seconds(10);
    shorten(second);
    await seconds(after - 0.1);
    expect(closed()).toBe(0);
    await seconds(0.2);
    expect(closed()).toBe(1);
  });

  test('may replace a long grace by a spread, and never lengthens the spread', async () => {
    const { closed, shorten } = drainOf(10, { grace: 3600 });
    shorten({ spread: 10 });
    await seconds(5);
    expect(closed()).toBeGreaterThanOrEqual(4);
    expect(closed()).toBeLessThanOrEqual(6);
    shorten({ spread: 600 });
    await seconds(5);
    expect(closed()).toBe(10);
  });

  test('during the spread hurries the rest', async () => {
    const { closed, shorten } = drainOf(100, { spread: 1000 });
    await seconds(100);
    shorten({ spread: 10 });
    await seconds(5);
    expect(closed()).toBeGreaterThan(50);
    expect(closed()).toBeLessThan(62);
    shorten();
    expect(closed()).toBe(100);
  });

  test('can shorten the timeout, also after the Closes, and never lengthens it', async () => {
    const { isDone, shorten } = drainOf(1, { timeout: 60 });
    await seconds(10);
    shorten({ timeout: 100 });
    await seconds(1);
    shorten({ timeout: 2 });
    await seconds(1.9);
    expect(isDone()).toBe(false);
    await seconds(0.2);
    expect(isDone()).toBe(true);
    shorten({ grace: 5 });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('during the grace never lengthens the timeout', async () => {
    const { isDone, shorten } = drainOf(1, { grace: 60, timeout: 2 });
    shorten({ timeout: 100 });
    await seconds(2.1);
    expect(isDone()).toBe(true);
  });

  test('in the event-loop turn of the first destroys nothing before its timeout', async () => {
    const { tunnels, shorten } = drainOf(1, { timeout: 5 });
    shorten();
    await seconds(4.9);
    expect(tunnels[0]!.isDestroyed).toBe(false);
    await seconds(0.2);
    expect(tunnels[0]!.isDestroyed).toBe(true);
  });
});

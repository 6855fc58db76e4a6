import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RepeatLimiter, type Repeats } from '../../../src/command/listen/log/repeats.js';
import type { RefuseInfo } from '../../../src/types.js';

let told: Repeats[];
let folding: RepeatLimiter;

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  folding = new RepeatLimiter((one) => told.push(one));
});
afterEach(() => {
  vi.useRealTimers();
});

const refusal = (address: string, status = 403) =>
  ({ url: '/', address, status, code: `CODE_${status}`, reason: '' }) as unknown as RefuseInfo;

const passed = (address: string, times: number) =>
  Array.from({ length: times }, () => folding.passes(refusal(address))).filter(Boolean).length;

describe('issue 12, case 16: the refusals of one address', () => {
  test('are logged ten times per minute, then as one line at its end', () => {
    expect(passed('192.0.2.1', 30)).toBe(10);
    folding.passes(refusal('192.0.2.1', 429));
    expect(passed('192.0.2.2', 3)).toBe(3);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(60_000);
    expect(told).toEqual([{ address: '192.0.2.1', count: 21, seconds: 60, status: 429, code: 'CODE_429' }]);
    // A new minute starts only with the next refusal.
    vi.advanceTimersByTime(600_000);
    expect(told).toHaveLength(1);
    expect(passed('192.0.2.1', 30)).toBe(10);
  });

  test('are counted together for all addresses of an IPv6 /64', () => {
    const all = Array.from({ length: 30 }, (_, n) => passed(`2001:db8::${n.toString(16)}`, 1));
    expect(all.filter((one) => one === 1)).toHaveLength(10);
    folding.end();
    expect(told).toMatchObject([{ address: '2001:db8:0:0::/64', count: 20 }]);
  });

  test('of countless addresses fill neither memory nor log', () => {
    let written = 0;
    for (let i = 0; i < 20_000; i++) written += passed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 1);
    expect(written).toBe(510);
    folding.end();
    expect(told).toMatchObject([{ address: 'other addresses', count: 19_490 }]);
  });

  test('an end without refusals logs nothing', () => {
    folding.end();
    expect(told).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

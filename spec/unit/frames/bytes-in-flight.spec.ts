import { beforeEach, describe, expect, test, vi } from 'vitest';
import { BytesInFlight } from '../../../src/frames/bytes-in-flight.js';
import { onCleanup } from '../../support/cleanup.js';

describe('issue 12, case 4: bytes in flight', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    onCleanup(() => vi.useRealTimers());
  });

  test('a PONG confirms the bytes written before its PING, and no later ones', () => {
    const way = new BytesInFlight();
    way.pinged(1000);
    way.pinged(5000);
    expect(way.unconfirmed(6000)).toBe(6000);
    expect(way.confirm()).toBe(true);
    expect(way.unconfirmed(6000)).toBe(5000);
    expect(way.confirm()).toBe(true);
    expect(way.unconfirmed(6000)).toBe(1000);
    expect(way.confirm()).toBe(false);
    expect(way.unconfirmed(6000)).toBe(1000);
  });

  test('only bytes before the oldest PING extend the PONG deadline, at 4 kB/s', () => {
    const way = new BytesInFlight();
    expect(way.secondsUntilPong()).toBe(0);
    way.pinged(40_960);
    way.pinged(4_096_000);
    expect(way.secondsUntilPong()).toBe(10);
  });

  test('a line measured as fast may become eight times slower', () => {
    const way = new BytesInFlight();
    way.pinged(8 * 40_960 * 10);
    vi.advanceTimersByTime(10_000);
    way.confirm();
    expect(way.secondsFor(409_600)).toBeCloseTo(10);
  });

  test('PONGs that arrive together do not count as a fast line', () => {
    const way = new BytesInFlight();
    way.pinged(1000);
    way.pinged(100_000_000);
    vi.advanceTimersByTime(10_000);
    way.confirm();
    way.confirm();
    expect(way.secondsFor(4096)).toBe(1);
  });

  test('for a peer that answers no PING, 64 PINGs are remembered', () => {
    const way = new BytesInFlight();
    for (let at = 1; at <= 1000; at++) way.pinged(at);
    let answers = 0;
    while (way.confirm()) answers++;
    expect(answers).toBe(64);
    expect(way.unconfirmed(1000)).toBe(936);
  });
});

import { beforeEach, describe, expect, test, vi } from 'vitest';
import { CloseClock, type CloseTimes } from '../../../src/streams/close-clock.js';
import { onCleanup } from '../../support/cleanup.js';

function start(times: CloseTimes, patience = 0) {
  const state = { moves: false, expired: [] as string[] };
  const clock = new CloseClock(
    times,
    () => state.moves,
    (limit) => state.expired.push(limit),
  );
  clock.start(() => patience);
  return { clock, state };
}

describe('issue 12, case 20: the timeout closeTimeout', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    onCleanup(() => vi.useRealTimers());
  });
  const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);

  test('expires once while no byte moves', async () => {
    const { state } = start({ closeTimeout: 10, drainTimeout: 900 });
    await pass(9.9);
    expect(state.expired).toEqual([]);
    await pass(0.2);
    expect(state.expired).toEqual(['closeTimeout']);
    await pass(1000);
    expect(state.expired).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('endPatience() starts the deadline again without patience', async () => {
    const { clock, state } = start({ closeTimeout: 10 }, 300);
    await pass(100);
    clock.endPatience();
    await pass(7.4);
    expect(state.expired).toEqual([]);
    await pass(2.7);
    expect(state.expired).toEqual(['closeTimeout']);
  });

  test('starts again as long as bytes move', async () => {
    const { state } = start({ closeTimeout: 10, drainTimeout: 900 });
    state.moves = true;
    await pass(100);
    state.moves = false;
    await pass(7.4);
    expect(state.expired).toEqual([]);
    await pass(2.7);
    expect(state.expired).toEqual(['closeTimeout']);
  });

  test('is bounded by drainTimeout while bytes move', async () => {
    const { state } = start({ closeTimeout: 10, drainTimeout: 60 });
    state.moves = true;
    await pass(59.9);
    expect(state.expired).toEqual([]);
    await pass(0.2);
    expect(state.expired).toEqual(['drainTimeout']);
  });

  test('is not shortened by a lower drainTimeout', async () => {
    const { state } = start({ closeTimeout: 10, drainTimeout: 1 });
    await pass(9.9);
    expect(state.expired).toEqual([]);
    await pass(0.2);
    expect(state.expired).toEqual(['closeTimeout']);
  });

  test('is extended by bytes in flight, up to thirty times', async () => {
    const { state } = start({ closeTimeout: 10 }, 50);
    await pass(59.9);
    expect(state.expired).toEqual([]);
    await pass(0.2);
    expect(state.expired).toEqual(['closeTimeout']);
    const other = start({ closeTimeout: 10 }, 1_000_000);
    await pass(309);
    expect(other.state.expired).toEqual([]);
    await pass(2);
    expect(other.state.expired).toEqual(['closeTimeout']);
  });

  test('leaves no timer after stop()', async () => {
    const { clock, state } = start({ closeTimeout: 10 });
    clock.stop();
    expect(vi.getTimerCount()).toBe(0);
    await pass(100);
    expect(state.expired).toEqual([]);
  });
});

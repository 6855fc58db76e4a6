import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { PAUSE, ReadPauses } from '../../../src/streams/read-pauses.js';
import { Turns } from '../../../src/streams/turns.js';

const MIB = 1024 * 1024;

/** Connections that share the turns of one scheduler. */
function connections(count: number) {
  const turns = new Turns();
  const all = Array.from({ length: count }, () => {
    const stream = new Duplex({ read: () => undefined });
    return { stream, pauses: new ReadPauses(stream, turns), isReading: () => !stream.isPaused() };
  });
  return { turns, all };
}

/** Reads pieces of 64 KiB in one turn, as long as the connection may read. Returns the bytes. */
function readAll({ pauses, isReading }: ReturnType<typeof connections>['all'][number]): number {
  let bytes = 0;
  while (isReading() && bytes < 100 * MIB) {
    pauses.spend(64 * 1024);
    bytes += 64 * 1024;
  }
  return bytes;
}

describe('a busy connection', () => {
  test('reads at most 2 MiB in a turn, and continues in the next turn', async () => {
    const { all } = connections(1);
    const [one] = all;
    if (!one) return;
    expect(readAll(one)).toBeLessThanOrEqual(2 * MIB);
    expect(one.isReading()).toBe(false);
    await nextTurn();
    expect(one.isReading()).toBe(true);
  });

  test('reads at most 256 KiB in a turn, together with all other busy connections', async () => {
    const { all } = connections(8);
    for (const one of all) readAll(one);
    await nextTurn();
    for (let turn = 0; turn < 20; turn++) {
      const bytes = all.reduce((sum, one) => sum + readAll(one), 0);
      expect(bytes).toBeGreaterThan(0);
      expect(bytes).toBeLessThanOrEqual(MIB / 4 + 2 * 64 * 1024);
      await nextTurn();
    }
  });

  test('reads again within as many turns as there are connections', async () => {
    const { all } = connections(32);
    const bytes = all.map(() => 0);
    for (let turn = 0; turn < 64; turn++) {
      all.forEach((one, at) => (bytes[at] = (bytes[at] ?? 0) + readAll(one)));
      await nextTurn();
    }
    expect(Math.min(...bytes)).toBeGreaterThan(0);
    expect(Math.max(...bytes)).toBeLessThan(20 * Math.min(...bytes));
  });

  test('reads at most 256 KiB in a turn while interactive messages arrive', async () => {
    const { all } = connections(2);
    const [bulk, typist] = all;
    if (!bulk || !typist) return;
    typist.pauses.spend(10);
    // Also while no connection is queued.
    for (let turn = 0; turn < 3; turn++) {
      expect(readAll(bulk)).toBeLessThanOrEqual(256 * 1024);
      await nextTurn();
    }
  });

  test('does not count as interactive with the small rest of a large read', async () => {
    const { all } = connections(1);
    const [bulk] = all;
    if (!bulk) return;
    readAll(bulk);
    await nextTurn();
    bulk.pauses.spend(100);
    await nextTurn();
    expect(readAll(bulk)).toBeGreaterThan(256 * 1024);
  });

  test('is queued for a turn after its receiver has accepted all bytes', async () => {
    const { all } = connections(4);
    const [first, ...others] = all;
    first?.pauses.add(PAUSE.receiver);
    for (const one of others) readAll(one);
    first?.pauses.remove(PAUSE.receiver);
    expect(first?.isReading()).toBe(false);
    expect(first?.pauses.has(PAUSE.turn)).toBe(true);
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    expect(first?.isReading()).toBe(true);
  });

  test('stays paused after its turn while its receiver is full', async () => {
    const { all } = connections(1);
    const [one] = all;
    if (!one) return;
    readAll(one);
    one.pauses.add(PAUSE.receiver);
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    expect(one.isReading()).toBe(false);
    one.pauses.remove(PAUSE.receiver);
    expect(one.isReading()).toBe(true);
  });
});

test('a connection with small messages is never queued for a turn', () => {
  const { all } = connections(9);
  const [typist, ...others] = all;
  for (const one of others) readAll(one);
  for (let message = 0; message < 60; message++) typist?.pauses.spend(64);
  expect(typist?.isReading()).toBe(true);
});

test('a connection whose bytes take much time is paused after a millisecond', async () => {
  const { all } = connections(1);
  const [one] = all;
  if (!one) return;
  one.pauses.spend(8192);
  const began = performance.now();
  while (performance.now() - began < 2) await Promise.resolve();
  one.pauses.spend(8192);
  expect(one.isReading()).toBe(false);
});

test('a destroyed stream is removed from the queue at its turn', async () => {
  const { all, turns } = connections(1);
  const [one] = all;
  if (!one) return;
  readAll(one);
  one.stream.destroy();
  expect(turns.isBusy).toBe(true);
  await nextTurn();
  await nextTurn();
  expect(turns.isBusy).toBe(false);
});

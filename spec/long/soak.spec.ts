import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { describeWith, Program } from '../support/programs.js';
import { fits, slopeOf } from './soak/verdict.mjs';

// The short form of soak.mjs. README.md has the figures of the long form.
const SOAK = fileURLToPath(new URL('./soak.mjs', import.meta.url));
const ARGS = ['--no-warnings', SOAK, '--seconds', '7', '--round', '7', '--workers', '8'];

describeWith('redis-server')('the soak', () => {
  test('has a good verdict after seconds: all bytes arrived, and nothing is left open', async () => {
    const program = new Program(process.execPath, ARGS);
    await program.prints(/verdict: .*\n/);
    expect(program.output.match(/FAULT .*|verdict: .*/g)).toEqual(['verdict: good']);
    if (program.process.exitCode === null) await once(program.process, 'exit');
    expect(program.process.exitCode).toBe(0);
  }, 60_000);
});

/** Quiet samples of an hour, one per minute. */
const samples = (heap: (minute: number) => number) =>
  Array.from({ length: 60 }, (_, minute) => ({
    at: minute * 60,
    isQuiet: true,
    heapUsed: heap(minute),
    ...{ external: 0, rss: 0, descriptors: 26, handles: 6, timers: 0, redisConnections: 3 },
    ...{ commandRss: 0, commandDescriptors: 90 },
  }));

test('a heap that grows by 50 KB a minute is a leak, and growth that ends early or noise is not', () => {
  const isFlat = (heap: (minute: number) => number) => fits(samples(heap)).every((row) => row.isFlat);
  expect(isFlat((minute) => 20e6 + minute * 50_000)).toBe(false);
  expect(isFlat((minute) => 20e6 + Math.min(minute, 14) * 500_000)).toBe(true);
  expect(isFlat((minute) => 20e6 + (minute % 2) * 300_000)).toBe(true);
  const line = [
    [0, 1],
    [1, 3],
    [2, 5],
  ] as const;
  expect(slopeOf(line)).toBeCloseTo(2);
});

import { expect, test } from 'vitest';
import { FrameDecoder } from '../../../src/frames/decoder.js';
import { assertLikeWs, assertSame, decodeByWs, decodeChecked } from './decoding.js';
import { cutRandomly, frameStream } from './frames.js';
import { failedRun, fuzzRuns, fuzzTimeout } from './runs.js';
import { Random, seedOf } from '../../support/random.js';

const { runs, seed } = fuzzRuns(30_000);

test(
  `${runs} streams from seed ${seed}: no throw, nothing after the end, equal however split, and as ws decodes them`,
  () => {
    let failures = 0;
    let closes = 0;
    for (let run = 0; run < runs; run++) {
      const random = new Random(seedOf(seed, run));
      const stream = frameStream(random);
      try {
        const whole = decodeChecked([stream]);
        assertSame(whole, decodeChecked(cutRandomly(random, stream)), 'cut elsewhere');
        assertLikeWs(whole, decodeByWs([stream]));
        if (whole.code !== undefined) failures++;
        else if (whole.events.at(-1)?.startsWith('close')) closes++;
      } catch (error) {
        throw failedRun(seed, run, error, stream);
      }
    }
    if (process.env.FUZZ_RUNS !== undefined)
      console.log(`${runs} streams from seed ${seed}: ${failures} failed, ${closes} closed`);
    // If all streams were valid, or all invalid, the run would test nothing.
    if (runs >= 1000) {
      expect(failures / runs).toBeGreaterThan(0.1);
      expect(failures / runs).toBeLessThan(0.8);
      expect(closes / runs).toBeGreaterThan(0.05);
    }
  },
  fuzzTimeout(20_000),
);

test('a decoder keeps a bounded number of bytes between chunks, however long the frame', () => {
  const decoder = new FrameDecoder({ ping: () => undefined, pong: () => undefined, close: () => undefined });
  const header = Buffer.from('82ff00000001000000000a0b0c0d', 'hex');
  expect(decoder.decode(Buffer.from(header))).toHaveLength(0);
  const chunk = Buffer.alloc(65_536, 'x');
  const before = process.memoryUsage().arrayBuffers;
  for (let left = 2 ** 28; left > 0; left -= chunk.length)
    expect(decoder.decode(chunk).length).toBe(chunk.length);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
});

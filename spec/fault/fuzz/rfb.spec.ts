import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Random, seedOf } from '../../support/random.js';
import { mutate } from './frames.js';
import { checkClientStream, checkHandshake } from './rfb-rules.js';
import { clientStream } from './rfb-streams.js';
import { failedRun, fuzzRuns, fuzzTimeout } from './runs.js';

const { runs, seed } = fuzzRuns(5000);
test(
  `${runs} streams of a client from seed ${seed}: no throw, no byte of a forbidden message, equal however cut`,
  async () => {
    let failures = 0;
    let bytes = 0;
    for (let run = 0; run < runs; run++) {
      // The watchdog ends a worker that leaves no turn to others.
      if (run % 10_000 === 9999) await setImmediate();
      const random = new Random(seedOf(seed, run));
      const stream = random.oneIn(3) ? mutate(random, clientStream(random)) : clientStream(random);
      try {
        if (checkClientStream(random, stream) !== undefined) failures++;
        bytes += stream.length;
      } catch (error) {
        throw failedRun(seed, run, error, stream);
      }
    }
    if (process.env.FUZZ_RUNS !== undefined)
      console.log(`${runs} streams, ${bytes} bytes, from seed ${seed}: ${failures} ended the tunnel`);
    // If all streams were valid, or all invalid, the run would test nothing.
    if (runs < 1000) return;
    expect(failures / runs).toBeGreaterThan(0.05);
    expect(failures / runs).toBeLessThan(0.7);
  },
  fuzzTimeout(20_000),
);

test(
  `handshakes from seed ${seed} in any order: no throw, and no message passes before ClientInit`,
  async () => {
    for (let run = 0; run < runs; run++) {
      // The watchdog ends a worker that leaves no turn to others.
      if (run % 10_000 === 9999) await setImmediate();
      const random = new Random(seedOf(seed ^ 0x5f, run));
      const log: Buffer[] = [];
      try {
        checkHandshake(random, log);
      } catch (error) {
        throw failedRun(seed, run, error, Buffer.concat(log));
      }
    }
  },
  fuzzTimeout(20_000),
);

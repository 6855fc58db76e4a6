import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { fuzzRuns, fuzzTimeout } from '../fault/fuzz/runs.js';
import { fuzz, TARGETS } from './fuzz/run.js';

// The short form of fuzz.mjs. README.md has the figures of the long form.
const { runs, seed } = fuzzRuns(20_000);

test.each(TARGETS)(
  '$name: no other error than the documented one, in time and in bounded memory',
  async (target) => {
    const inputs = Math.ceil((runs * target.share) / 1000);
    const isStopped = () => false;
    const result = await fuzz(target, { seed, first: 0, inputs, isStopped, nextTurn });
    expect(result.faults).toEqual([]);
    expect(result.inputs).toBe(inputs);
  },
  fuzzTimeout(20_000),
);

test('the shares of the targets add up to a thousand', () => {
  expect(TARGETS.reduce((sum, { share }) => sum + share, 0)).toBe(1000);
});

test('a target that throws is reported as a fault, with its seed and input', async () => {
  const part = { seed, first: 0, inputs: 20, isStopped: () => false, nextTurn };
  const thrown = await fuzz(
    {
      name: 'x',
      share: 0,
      check: (_random, note) => {
        note('the input');
        throw new RangeError('broken');
      },
    },
    part,
  );
  expect(thrown.faults).toHaveLength(5);
  expect(thrown.faults[0]).toMatch(/^FUZZ_SEED=\d+, run 0: RangeError: broken[^]*the input/);
});

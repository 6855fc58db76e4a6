import { seedOf } from '../../support/random.js';

/** `FUZZ_RUNS` and `FUZZ_SEED` from the environment; otherwise a bounded run with a new seed. */
export function fuzzRuns(usual: number): { runs: number; seed: number } {
  const runs = Number(process.env.FUZZ_RUNS ?? usual);
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() >>> 0);
  if (!Number.isInteger(runs) || !Number.isInteger(seed))
    throw new Error('FUZZ_RUNS, FUZZ_SEED: whole numbers');
  return { runs, seed };
}

/** A run with `FUZZ_RUNS` has practically no deadline. */
export function fuzzTimeout(usual: number): number {
  return process.env.FUZZ_RUNS === undefined ? usual : 24 * 3600 * 1000;
}

/** An error with the seed of the failed run, for repeating only the failed run. */
export function failedRun(seed: number, run: number, error: unknown, input: Buffer): Error {
  const again = `FUZZ_SEED=${seed}, run ${run} (its own seed ${seedOf(seed, run)})`;
  return new Error(`${again}\ninput: ${input.toString('hex')}\n${String(error)}`, { cause: error });
}

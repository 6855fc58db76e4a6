import { Random, seedOf } from '../../support/random.js';
import { configurations } from './configurations.js';
import { requests } from './requests.js';
import { stores } from './stores.js';
import type { Target } from './target.js';
import { wire } from './wire.js';

/** All targets of the long fuzz; their shares add up to a thousand or more. */
export const TARGETS: readonly Target[] = [...wire, ...requests, ...configurations, ...stores];

/** Milliseconds of the processor for one input. Time of the clock would count other programs of a busy machine as well. */
const DEADLINE = 500;

/** Most bytes that a part may add to the heap, after a collection where the process has `--expose-gc`. */
const MEMORY = 100_000_000;

/** Most finds of one part that are told: a broken target fails each time. */
const MOST_FINDS = 5;

interface Part {
  readonly seed: number;
  /** The number of the first input. */
  readonly first: number;
  readonly inputs: number;
  readonly isStopped: () => boolean;
  readonly nextTurn: () => Promise<unknown>;
}

export interface Result {
  readonly inputs: number;
  readonly seconds: number;
  readonly finds: readonly string[];
}

/** Runs one part of a target. */
export async function fuzz(target: Target, part: Part): Promise<Result> {
  const finds: string[] = [];
  const before = heap();
  const started = performance.now();
  let count = 0;
  for (; count < part.inputs && finds.length < MOST_FINDS && !part.isStopped(); count++) {
    if (count % 500 === 499) await part.nextTurn();
    const find = await one(target, part.seed, part.first + count);
    if (find !== undefined) finds.push(find);
  }
  const seconds = (performance.now() - started) / 1000;
  // What promises have kept is free after a turn.
  await part.nextTurn();
  const grown = heap() - before;
  if (grown > MEMORY) finds.push(`the heap has grown by ${grown} bytes`);
  return { inputs: count, seconds, finds };
}

async function one(target: Target, seed: number, run: number): Promise<string | undefined> {
  let input: Buffer | string = '';
  const note = (given: Buffer | string) => (input = given);
  const shown = () => (typeof input === 'string' ? JSON.stringify(input) : input.toString('hex'));
  const where = `FUZZ_SEED=${seed}, run ${run}`;
  try {
    // A garbage collection may fall into one input: only what is slow each time is a find.
    for (let tries = 0; ; tries++) {
      const started = process.cpuUsage();
      const pending = target.check(new Random(seedOf(seed, run)), note);
      if (pending) await pending;
      const { user, system } = process.cpuUsage(started);
      const milliseconds = (user + system) / 1000;
      if (milliseconds <= DEADLINE) return undefined;
      if (tries === 2) return `${where}: took ${Math.round(milliseconds)} ms; input ${shown()}`;
    }
  } catch (error) {
    return `${where}: ${error instanceof Error ? error.stack : String(error)}; input ${shown()}`;
  }
}

function heap(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed;
}

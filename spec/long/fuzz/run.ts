import { Random, seedOf } from '../../support/random.js';
import { configurations } from './configurations.js';
import { requests } from './requests.js';
import { stores } from './stores.js';
import type { Target } from './target.js';
import { wire } from './wire.js';

/** All targets of the long fuzz; their shares add up to a thousand or more. */
export const TARGETS: readonly Target[] = [...wire, ...requests, ...configurations, ...stores];

/** Milliseconds of processor time for one input. Wall-clock time would include other programs of a busy machine. */
const DEADLINE = 500;

/** Most bytes that a part may add to the heap, after a collection where the process has `--expose-gc`. */
const MEMORY = 100_000_000;

/** Most reported faults of one part: a broken target fails each time. */
const MOST_FAULTS = 5;

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
  readonly faults: readonly string[];
}

/** Runs one part of a target. */
export async function fuzz(target: Target, part: Part): Promise<Result> {
  const faults: string[] = [];
  const before = heap();
  const started = performance.now();
  let count = 0;
  for (; count < part.inputs && faults.length < MOST_FAULTS && !part.isStopped(); count++) {
    if (count % 500 === 499) await part.nextTurn();
    const fault = await one(target, part.seed, part.first + count);
    if (fault !== undefined) faults.push(fault);
  }
  const seconds = (performance.now() - started) / 1000;
  // Memory held by settled promises is free after one event-loop turn.
  await part.nextTurn();
  const grown = heap() - before;
  if (grown > MEMORY) faults.push(`the heap grew by ${grown} bytes`);
  return { inputs: count, seconds, faults };
}

async function one(target: Target, seed: number, run: number): Promise<string | undefined> {
  let input: Buffer | string = '';
  const note = (given: Buffer | string) => (input = given);
  const shown = () => (typeof input === 'string' ? JSON.stringify(input) : input.toString('hex'));
  const where = `FUZZ_SEED=${seed}, run ${run}`;
  try {
    // A garbage collection may slow one try: only an input that is slow every time is a fault.
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

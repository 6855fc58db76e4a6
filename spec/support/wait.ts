import { monitorEventLoopDelay } from 'node:perf_hooks';

export { deferred } from '../../src/helpers/deferred.js';

/**
 * Milliseconds after which a wait of a helper gives up: longer than the timeout of most tests, since the test's message is more
 * useful. Without a deadline, a wait would keep polling during the following tests.
 */
export const DEADLINE = 60_000;

const PAUSE = 5;

/** Resolves after some milliseconds, for a test that nothing happens in the meantime. Otherwise wait with `until` or `holds`. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Polls until the condition is true; rejects after `DEADLINE`. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`the condition never became true: ${condition.toString()}`);
    await sleep(PAUSE);
  }
}

/** Polls until the assertions pass, and returns the result; rejects with the last failure after a thousand attempts. */
export async function holds<T>(check: () => T | Promise<T>): Promise<T> {
  for (let left = 1000; ; left--) {
    try {
      return await check();
    } catch (error) {
      if (left === 0) throw error;
    }
    await sleep(PAUSE);
  }
}

/**
 * Runs a trial with clients that have deadlines. If this process was blocked for `most` milliseconds, a missed deadline proves
 * nothing, and the trial is repeated.
 */
export async function undisturbed(most: number, trial: () => Promise<void>): Promise<void> {
  for (let left = 4; ; left--) {
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    try {
      await trial();
      return;
    } catch (error) {
      if (left === 0 || delay.max / 1e6 < most) throw error;
    } finally {
      delay.disable();
    }
  }
}

import { monitorEventLoopDelay } from 'node:perf_hooks';

/**
 * Milliseconds after which a wait of the helpers gives up. Longer than the timeout of a usual test, which says more, and
 * shorter than for ever: a wait that outlives its test would poll beside the next ones.
 */
export const DEADLINE = 60_000;

const PAUSE = 5;

/** Polls until the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`it never came about: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

/** Polls until the assertions pass; where they never do, the last failure is what the test says. */
export async function holds(check: () => void | Promise<void>): Promise<void> {
  for (let left = 1000; ; left--) {
    try {
      await check();
      return;
    } catch (error) {
      if (left === 0) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

/** A promise that is resolved from outside. */
export function deferred<T = void>() {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

/**
 * A trial whose clients have deadlines to keep. Where this process itself stood still for `most` ms, what they missed
 * proves nothing: once more.
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

import { afterEach } from 'vitest';

type Step = () => unknown;

const steps: Step[] = [];

/** Undone after the test, last first, whether it passed or not. */
export function onCleanup(step: Step): void {
  steps.push(step);
}

/** Undoes everything now: for a test that compares two runs. */
export async function cleanUp(): Promise<void> {
  for (let step = steps.pop(); step; step = steps.pop()) await step();
}

afterEach(cleanUp);

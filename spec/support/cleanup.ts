import { afterEach } from 'vitest';

type Step = () => unknown;

const steps: Step[] = [];

/** Registers a step that runs after the test, whether it passed or not. The last step runs first. */
export function onCleanup(step: Step): void {
  steps.push(step);
}

/** Runs all steps now, for a test that compares two runs. */
export async function cleanUp(): Promise<void> {
  for (let step = steps.pop(); step; step = steps.pop()) await step();
}

afterEach(cleanUp);

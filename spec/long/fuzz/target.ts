import type { Random } from '../../support/random.js';

/** Code that reads input from outside, and its rules. */
export interface Target {
  readonly name: string;
  /** The target's share of a thousand inputs. */
  readonly share: number;
  /** Makes an input, and throws for a broken rule. `note` keeps the input for the report of a failure. */
  readonly check: (random: Random, note: (input: Buffer | string) => void) => void | Promise<void>;
}

/** Throws unless the error is one that the code documents. */
export function allow(error: unknown, ...kinds: (abstract new (...args: never[]) => Error)[]): void {
  if (!kinds.some((kind) => error instanceof kind)) throw error;
}

import { fail } from './checks/fail.js';
import { checkNames } from './checks/names.js';
import { OptionPath, type OptionRef } from './checks/option-path.js';
import { oneOf, seconds } from './checks/basic.js';
import type { RevalidateOptions } from '../types.js';

/** The option `revalidate` with its defaults. */
export type RevalidateSettings = Readonly<Required<RevalidateOptions>>;

/** A shorter interval would leave the app no time for its clients. */
const checkSeconds = seconds(0.1, 86_400);

export function checkRevalidate(value: unknown, name: OptionRef): void {
  if (typeof value !== 'object') {
    checkEvery(value, name);
    return;
  }
  const checks = {
    every: checkEvery,
    touch: oneOf(['active', 'always', 'never']),
    failAfter: seconds(0, 31_622_400),
  };
  checkNames(value, name, checks);
  const { every, failAfter = 0 } = value as Partial<RevalidateOptions>;
  const path = OptionPath.of(name);
  if (every === undefined) fail(path.key('every'), 'must be given: seconds between two checks', every);
  if (failAfter !== 0 && failAfter < every)
    fail(path.key('failAfter'), `must be 0 or at least the ${every} seconds of every`, failAfter);
}

function checkEvery(value: unknown, name: OptionRef): void {
  if (value !== 0) checkSeconds(value, name);
}

export function readRevalidate(given: number | RevalidateOptions): RevalidateSettings {
  const { every, touch = 'active', failAfter = 0 } = typeof given === 'number' ? { every: given } : given;
  return Object.freeze({ every, touch, failAfter });
}

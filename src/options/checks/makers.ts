import { checkFunction } from './basic.js';
import { fail } from './fail.js';
import type { OptionRef } from './option-path.js';

// In this module, since the main import does not load the modules of the makers.
const calls = new WeakMap<object, string>();

/** Notes that the value of an option is the result of this function, and not the function itself. `call` is an example of the call. */
export function noteMaker(maker: object, call: string): void {
  calls.set(maker, call);
}

/** Like {@link checkFunction}, and refuses a maker that was given without its call. */
export function checkMade(value: unknown, name: OptionRef): void {
  checkFunction(value, name);
  const call = calls.get(value as object);
  if (call !== undefined) fail(name, `must be the result of a call: ${call}`, value);
}

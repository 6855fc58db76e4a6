import type { TunnelError } from '../../errors.js';
import { fail, type Check } from './fail.js';
import { nearest } from './nearest.js';
import { checkEach, unknownKeyError } from './option-error.js';
import { OptionPath, type OptionRef } from './option-path.js';

/** The options as the caller gave them, before any check. */
export const OPTIONS_OBJECT = OptionPath.whole('options');

/** Checks each named value of an object. Unknown names are refused with the nearest known name. All errors are collected. */
export function checkNames(value: unknown, name: OptionRef, checks: Readonly<Record<string, Check>>): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail(name, 'must be an object', value);
  const path = OptionPath.of(name);
  const known = Object.keys(checks);
  const unknown = Object.keys(value).filter((key) => !Object.hasOwn(checks, key));
  const given = namedOf(value, known);
  checkEach([
    ...unknown.map((key) => () => {
      throw unknownName(path, key, known);
    }),
    ...Object.entries(checks).map(([key, check]) => () => {
      if (given[key] !== undefined) check(given[key], path.key(key));
    }),
  ]);
}

/** Checks all values of an object with names chosen by the user. */
export function checkValues(value: unknown, name: OptionRef, check: Check): void {
  const names = Object.keys(value ?? {});
  checkNames(value, name, Object.fromEntries(names.map((one) => [one, check])));
}

/** Checks each item of a list. */
export function checkItems(list: readonly unknown[], name: OptionRef, check: Check): void {
  for (const [index, one] of list.entries()) check(one, OptionPath.of(name).item(index));
}

/** The message omits the value: the meaning of the value is unknown, and it may be a password. */
export function unknownName(path: OptionPath, key: string, known: readonly string[]): TunnelError {
  const near = nearest(key, known);
  const hint = near === undefined ? '' : `; did you mean "${near}"?`;
  return unknownKeyError(path, key, `has no "${key}"${hint}`);
}

/**
 * The values of an object under these names. An instance of a class has methods and getters on the prototype, which spreading and
 * `Object.entries` leave out: an `authenticate` there must not be lost.
 */
export function namedOf(value: object, names: readonly string[]): Record<string, unknown> {
  const given = names.map((name) => [name, (value as Record<string, unknown>)[name]] as const);
  return Object.fromEntries(given.filter(([, one]) => one !== undefined));
}

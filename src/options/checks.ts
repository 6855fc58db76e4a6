import { inspect } from 'node:util';
import type { TunnelError } from '../errors.js';
import { hideLogin } from '../helpers/hide-login.js';
import { nearest } from './nearest.js';
import { checkEach, optionError } from './option-error.js';

/** The longest part of a wrong value that is shown. */
export const MAX_SHOWN = 80;

/** Checks one value; throws {@link TunnelError} WSTUNNEL_OPTION. */
export type Check = (value: unknown, name: string) => void;

/** Says which option is wrong, what it must be, and what was given. */
export function fail(name: string, must: string, value: unknown, hint = ''): never {
  throw optionError(name, `${name} ${must}; got ${shown(value)}${hint}`);
}

/** A wrong value, on one line and cut; of objects, where keys and passwords are, only the names, and of URLs no login. */
export function shown(value: unknown): string {
  const isList = Array.isArray(value);
  const text =
    typeof value === 'object' && value !== null && !isList && !(value instanceof RegExp)
      ? `{ ${Object.keys(value).join(', ')} }`
      : inspect(isList ? value.map(withoutLogin) : withoutLogin(value), {
          depth: isList ? 0 : -1,
          breakLength: Infinity,
          maxArrayLength: 3,
        });
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
}

function withoutLogin(value: unknown): unknown {
  return typeof value === 'string' ? hideLogin(value) : value;
}

/** Checks each named value of an object; unknown names are refused with the nearest known one. Every wrong one is found. */
export function readNames(value: unknown, name: string, checks: Readonly<Record<string, Check>>): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail(name, 'must be an object', value);
  const path = name === 'options' ? '' : `${name}.`;
  const unknown = Object.keys(value).filter((key) => !Object.hasOwn(checks, key));
  const given = namedOf(value, Object.keys(checks));
  checkEach([
    ...unknown.map((key) => () => {
      throw unknownName(name, key, Object.keys(checks));
    }),
    ...Object.entries(checks).map(([key, check]) => () => {
      if (given[key] !== undefined) check(given[key], `${path}${key}`);
    }),
  ]);
}

/** Without the value: nobody knows what it is, and it may be a password. */
function unknownName(name: string, key: string, known: readonly string[]): TunnelError {
  const near = nearest(key, known);
  return optionError(
    name,
    `${name} has no "${key}"${near === undefined ? '' : `; did you mean "${near}"?`}`,
    key,
  );
}

/**
 * Those of these names that have a value. An object of a class has methods and getters on its prototype, which spreading and
 * `Object.entries` leave out: an `authenticate` there must not be lost.
 */
export function namedOf(value: object, names: readonly string[]): Record<string, unknown> {
  const given = names.map((name) => [name, (value as Record<string, unknown>)[name]] as const);
  return Object.fromEntries(given.filter(([, one]) => one !== undefined));
}

/** A time option: a number above the ceiling was most likely meant in milliseconds. */
export function readSeconds(least: number, most: number) {
  return (value: unknown, name: string): void => {
    if (typeof value === 'number' && value >= least && value <= most) return;
    const seconds = typeof value === 'number' && value / 1000 >= least && value / 1000 <= most;
    const hint = seconds ? ` (it is in seconds; did you mean ${value / 1000}?)` : '';
    fail(name, `must be a number of seconds from ${least} to ${most}`, value, hint);
  };
}

export function readNumber(least: number, most: number) {
  return (value: unknown, name: string): void => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return;
    fail(name, `must be a whole number from ${least} to ${most}`, value);
  };
}

export function readOneOf(words: readonly string[]) {
  return (value: unknown, name: string): void => {
    if (typeof value === 'string' && words.includes(value)) return;
    const near = typeof value === 'string' ? nearest(value, words) : undefined;
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    fail(name, `must be one of ${words.map((word) => `"${word}"`).join(', ')}`, value, hint);
  };
}

export function readBoolean(value: unknown, name: string): void {
  if (typeof value !== 'boolean') fail(name, 'must be true or false', value);
}

export function readFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') fail(name, 'must be a function', value);
}

export function readText(value: unknown, name: string): void {
  if (typeof value !== 'string' || value === '') fail(name, 'must be a string that is not empty', value);
}

/** `g` and `y` make `test` remember where it was: every other request would not match. */
export function readRegExp(value: RegExp, name: string): RegExp {
  if (value.global || value.sticky) fail(name, 'takes a RegExp without the flags g and y', value);
  return value;
}

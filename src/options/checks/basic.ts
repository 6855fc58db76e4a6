import { fail, type Check } from './fail.js';
import { nearest } from './nearest.js';
import type { OptionRef } from './option-path.js';

/** Checks a number of seconds. A number above the limit was most likely meant in milliseconds. */
export function seconds(least: number, most: number): Check {
  return (value, name) => {
    if (typeof value === 'number' && value >= least && value <= most) return;
    const isMilliseconds = typeof value === 'number' && value / 1000 >= least && value / 1000 <= most;
    const hint = isMilliseconds ? ` (it is in seconds; did you mean ${value / 1000}?)` : '';
    fail(name, `must be a number of seconds from ${least} to ${most}`, value, hint);
  };
}

export function wholeNumber(least: number, most: number): Check {
  return (value, name) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return;
    fail(name, `must be a whole number from ${least} to ${most}`, value);
  };
}

export function oneOf(words: readonly string[]): Check {
  return (value, name) => {
    if (typeof value === 'string' && words.includes(value)) return;
    const near = typeof value === 'string' ? nearest(value, words) : undefined;
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    fail(name, `must be one of ${words.map((word) => `"${word}"`).join(', ')}`, value, hint);
  };
}

export function checkBoolean(value: unknown, name: OptionRef): void {
  if (typeof value !== 'boolean') fail(name, 'must be true or false', value);
}

export function checkFunction(value: unknown, name: OptionRef): void {
  if (typeof value !== 'function') fail(name, 'must be a function', value);
}

/** A string that may be empty. */
export function checkString(value: unknown, name: OptionRef): void {
  if (typeof value !== 'string') fail(name, 'must be a string', value);
}

export function checkText(value: unknown, name: OptionRef): void {
  if (typeof value !== 'string' || value === '') fail(name, 'must be a string that is not empty', value);
}

/** With the flags `g` and `y`, `test` remembers the end of the last match: every other request would not match. */
export function checkRegExp(value: RegExp, name: OptionRef): void {
  if (value.global || value.sticky) fail(name, 'must be a RegExp without the flags g and y', value);
}

import { checkAddressEntry } from './address-list.js';
import { fail, type Check } from './fail.js';
import { checkItems, checkNames, checkValues } from './names.js';
import type { OptionRef } from './option-path.js';
import { checkRegExp, checkString, oneOf, wholeNumber } from './basic.js';
import type { Condition } from '../../types.js';

/** Levels of nested rules or conditions; deeper nesting is most likely an object that contains itself. */
export const MAX_NESTED = 32;

const checkPort = wholeNumber(1, 65_535);

/** Checks `when` of a rule. */
export function checkCondition(value: unknown, name: OptionRef, depth = 0): void {
  if (depth > MAX_NESTED) fail(name, `has conditions nested more than ${MAX_NESTED} levels deep`, value);
  const one: Check = (inner, innerName) => checkCondition(inner, innerName, depth + 1);
  const several: Check = (list, listName) => {
    if (!Array.isArray(list) || list.length === 0) fail(listName, 'must list at least one condition', list);
    checkItems(list as unknown[], listName, one);
  };
  const checks: Readonly<Record<keyof Condition, Check>> = {
    url: checkMatch,
    host: checkMatch,
    remoteAddress: (given, givenName) => checkMatch(given, givenName, checkAddressEntry),
    query: checkMatch,
    scheme: oneOf(['http', 'https']),
    localPort: checkPorts,
    headers: (given, givenName) => checkValues(given, givenName, checkMatch),
    all: several,
    any: several,
    not: one,
  };
  checkNames(value, name, checks);
}

function checkPorts(value: unknown, name: OptionRef): void {
  const ports: unknown[] = Array.isArray(value) ? value : [value];
  if (ports.length === 0) fail(name, 'needs at least one port', value);
  for (const port of ports) checkPort(port, name);
}

/** Checks a `TextMatch`. `checkEqual` checks a string for literal comparison. */
function checkMatch(value: unknown, name: OptionRef, checkEqual: Check = checkString): void {
  const strings: Check = (given, givenName) => {
    for (const one of [given].flat()) checkEqual(one, givenName);
  };
  if (typeof value === 'string') checkEqual(value, name);
  else if (value instanceof RegExp) checkRegExp(value, name);
  else if (Array.isArray(value)) {
    if (value.length === 0) fail(name, 'needs at least one text or RegExp', value);
    for (const one of value as unknown[])
      if (one instanceof RegExp) checkRegExp(one, name);
      else checkEqual(one, name);
  } else {
    const operators: Record<string, Check> = {
      ...{ equals: strings, notEquals: strings },
      ...{ matches: checkPattern, notMatches: checkPattern },
      ...{ startsWith: checkString, endsWith: checkString },
    };
    checkNames(value, name, operators);
  }
}

function checkPattern(value: unknown, name: OptionRef): void {
  if (!(value instanceof RegExp)) fail(name, 'must be a RegExp', value);
  checkRegExp(value, name);
}

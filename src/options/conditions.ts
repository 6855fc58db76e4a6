import { compileAddresses } from '../request/client-address.js';
import { fail, readNames, readNumber, readOneOf, readRegExp, type Check } from './checks.js';
import type { Condition } from '../types.js';

/** Rules and conditions inside each other; more is most likely an object that contains itself. */
export const MAX_DEPTH = 32;

/** Checks `when`. */
export function readCondition(value: unknown, name: string, depth = 0): Condition {
  if (depth > MAX_DEPTH) fail(name, `has more than ${MAX_DEPTH} conditions inside each other`, value);
  const one = (inner: unknown, innerName: string) => void readCondition(inner, innerName, depth + 1);
  const several: Check = (list, listName) => {
    if (!Array.isArray(list) || list.length === 0) fail(listName, 'must list at least one condition', list);
    for (const [index, inner] of (list as unknown[]).entries()) one(inner, `${listName}[${index}]`);
  };
  const checks: Readonly<Record<keyof Condition, Check>> = {
    url: readText,
    host: readText,
    remoteAddress: (given, givenName) => readText(given, givenName, readAddress),
    query: readText,
    scheme: readOneOf(['http', 'https']),
    localPort: readPorts,
    headers: readHeaders,
    all: several,
    any: several,
    not: one,
  };
  readNames(value, name, checks);
  return value as Condition;
}

/** One address or CIDR range. */
export function readAddress(value: unknown, name: string): string {
  try {
    if (typeof value !== 'string') throw new Error();
    compileAddresses([value]);
    return value;
  } catch {
    return fail(name, 'takes IP addresses and CIDR ranges such as "192.0.2.0/24" or "2001:db8::/32"', value);
  }
}

function readPorts(value: unknown, name: string): void {
  const ports: unknown[] = Array.isArray(value) ? value : [value];
  if (ports.length === 0) fail(name, 'needs at least one port', value);
  for (const port of ports) readNumber(1, 65535)(port, name);
}

function readHeaders(value: unknown, name: string): void {
  const names = Object.keys(value ?? {});
  readNames(value, name, Object.fromEntries(names.map((header) => [header, readText])));
}

/** `readString`: what a string to be equal to must be. */
function readText(value: unknown, name: string, readString: Check = readAnyString): void {
  const strings: Check = (given, givenName) => {
    for (const one of [given].flat()) readString(one, givenName);
  };
  if (typeof value === 'string') readString(value, name);
  else if (value instanceof RegExp) readRegExp(value, name);
  else if (Array.isArray(value)) {
    if (value.length === 0) fail(name, 'needs at least one text or RegExp', value);
    for (const one of value as unknown[])
      if (one instanceof RegExp) readRegExp(one, name);
      else readString(one, name);
  } else {
    const operators: Record<string, Check> = {
      ...{ equals: strings, notEquals: strings },
      ...{ matches: readPattern, notMatches: readPattern },
      ...{ startsWith: readAnyString, endsWith: readAnyString },
    };
    readNames(value, name, operators);
  }
}

function readAnyString(value: unknown, name: string): void {
  if (typeof value !== 'string') fail(name, 'must be a string', value);
}

function readPattern(value: unknown, name: string): void {
  if (!(value instanceof RegExp)) fail(name, 'must be a RegExp', value);
  readRegExp(value, name);
}

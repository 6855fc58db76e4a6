import type { IncomingMessage } from 'node:http';
import {
  compileOrigin,
  expectedOrigin,
  nativeOrigin,
  parseOrigin,
  type OriginCheck,
} from '../guard/origin.js';
import { isOwnPage } from '../guard/rebinding.js';
import type { RuleOptions } from '../types.js';

/** The pages that may open a tunnel. */
export interface Origins<Req> {
  readonly check: OriginCheck<Req>;
  /** A list refuses requests without an Origin. */
  readonly needed: boolean;
  /** For events and the log: the value compared with a refused Origin. */
  readonly expected: (req: Req) => string;
}

/** Reads the option `origins`, which was checked before. */
export function readOrigins<Req extends IncomingMessage>(
  origins: NonNullable<RuleOptions<Req>['origins']>,
): Origins<Req> {
  if (origins === 'same') return { check: isOwnPage, needed: false, expected: expectedOrigin };
  if (origins === '*') return { check: () => true, needed: false, expected: () => '*' };
  if (typeof origins === 'function')
    return { check: origins, needed: false, expected: () => 'the decision of the function origins' };
  const tests = origins.map((entry) => {
    const native = typeof entry === 'string' ? nativeOrigin(entry) : undefined;
    return native ?? (typeof entry === 'string' ? compileOrigin(entry) : entry);
  });
  const check = (origin = '') => {
    const page = parseOrigin(origin);
    return tests.some((test) => {
      if (typeof test === 'string') return test === origin;
      return test instanceof RegExp ? test.test(origin) : page !== undefined && test?.(page) === true;
    });
  };
  return { check, needed: true, expected: () => `one of ${origins.map(String).join(', ')}` };
}

import { isSendable } from '../frames/close-codes.js';
import { fail, type Check } from '../options/checks/fail.js';
import { checkNames } from '../options/checks/names.js';
import { checkText, seconds, wholeNumber } from '../options/checks/basic.js';
import { codeOf } from '../streams/close-causes.js';
import type { CloseOptions } from '../types.js';

/** Seconds from the last Close until `close()` destroys the connections that are still open. */
const CLOSE_TIMEOUT = 10;

/** Limit of `grace`, as of `maxDuration`: 366 days. */
const MOST_GRACE = 31_622_400;

/** Limit of `spread`: a day. */
const MOST_SPREAD = 86_400;

/** The checks of the options of `close()`. */
export const CLOSE_OPTIONS = {
  grace: seconds(0, MOST_GRACE),
  spread: seconds(0, MOST_SPREAD),
  timeout: seconds(0, 3600),
  code: wholeNumber(1000, 4999),
  reason: checkText,
} as const satisfies Record<keyof CloseOptions, Check>;

/** The options of `close()`, checked and with defaults. All times in seconds. */
export interface ClosePlan {
  readonly grace: number;
  readonly spread: number;
  readonly timeout: number;
  readonly code: number;
  readonly reason: string;
}

/** `before`: the plan of an earlier call, in place of the defaults of `timeout`, `code` and `reason`. */
export function readCloseOptions(options: CloseOptions = {}, before: ClosePlan = DEFAULTS): ClosePlan {
  checkNames(options, 'close()', CLOSE_OPTIONS);
  const {
    grace = 0,
    spread = 0,
    timeout = before.timeout,
    code = before.code,
    reason = before.reason,
  } = options;
  checkClose(code, reason);
  return { grace, spread, timeout, code, reason };
}

const DEFAULTS: ClosePlan = {
  grace: 0,
  spread: 0,
  timeout: CLOSE_TIMEOUT,
  code: codeOf('drain'),
  reason: 'the server is closing',
};

/** Checks the close code and reason of `close()` and `end()`. */
export function checkClose(code: unknown, reason: unknown): void {
  if (typeof code !== 'number' || !Number.isInteger(code) || !isSendable(code))
    fail(
      'code',
      'must be a close code that may be sent: 1000 to 1014 except 1004 to 1006, or 3000 to 4999',
      code,
    );
  if (typeof reason !== 'string') fail('reason', 'must be a string', reason);
}

import { BALANCE_NAMES } from '../../balance/strategies.js';
import type { BalanceStrategy } from '../../types.js';
import { fail } from './fail.js';
import { OptionPath, type OptionRef } from './option-path.js';
import { checkFunction, oneOf } from './basic.js';

const checkName = oneOf(BALANCE_NAMES);

/** The name of a strategy, or an object with its methods. */
export function checkBalance(value: unknown, name: OptionRef): void {
  if (typeof value !== 'object' || value === null) {
    checkName(value, name);
    return;
  }
  const { pick, opened, closed } = value as Partial<BalanceStrategy>;
  const path = OptionPath.of(name);
  if (typeof pick !== 'function') fail(name, 'as an object needs a pick() method', value);
  if (opened !== undefined) checkFunction(opened, path.key('opened'));
  if (closed !== undefined) checkFunction(closed, path.key('closed'));
}

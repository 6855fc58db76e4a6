import type { Picks } from '../guard/recent-ends.js';
import { picksOf } from '../guard/tunnel-filter.js';
import { checkText } from '../options/checks/basic.js';
import { fail } from '../options/checks/fail.js';
import { checkNames } from '../options/checks/names.js';
import type { TunnelFilter } from '../types.js';

const CHECKS = {
  id: checkText,
  user: checkText,
  address: checkText,
  backend: checkText,
  tunnel: checkText,
} as const satisfies Record<keyof TunnelFilter, unknown>;

/** Checks the data that select tunnels. `call` is the function of the tunnel, for messages. */
export function readFilter(where: TunnelFilter, call: string): Picks {
  checkNames(where, call, CHECKS);
  // A field that is left out selects everything: `end({ user: req.user?.name })` without a user must not end every tunnel.
  for (const [field, value] of Object.entries(where) as [string, unknown][])
    if (value === undefined)
      fail(call, `needs a value for ${field}: leave ${field} out to select every ${field}`, value);
  return picksOf(where);
}

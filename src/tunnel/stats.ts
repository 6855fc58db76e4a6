import type { BackendPool } from '../backends/pool.js';
import type { Totals } from '../observe/totals.js';
import type { Member } from '../shared/members.js';
import type { TunnelStats } from '../types.js';

/** The statistics of one tunnel object, or of several with the same name and a shared state. */
export function statsOf(members: readonly Member[], totals: Totals, pool: BackendPool): TunnelStats {
  const open = members.flatMap((member) => Array.from(member.open, (one) => one.info()));
  const done = totals.snapshot();
  return {
    open: open.length,
    opening: members.reduce((sum, { opening }) => sum + opening.size, 0),
    ...done,
    bytesIn: open.reduce((sum, { bytesIn }) => sum + bytesIn, done.bytesIn),
    bytesOut: open.reduce((sum, { bytesOut }) => sum + bytesOut, done.bytesOut),
    backends: pool.snapshot(),
  };
}

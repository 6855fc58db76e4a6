import { TunnelError } from '../errors.js';
import type { Picks } from '../guard/recent-ends.js';
import type { TunnelInfo } from '../types.js';
import type { TunnelContext } from './context.js';

/** Ends the tunnels and openings of one tunnel object that the filter selects and that began before `at`, and returns how many. */
export function endTunnels(
  context: TunnelContext,
  picks: Picks,
  code: number,
  reason: string,
  isShared = false,
  at = performance.now(),
): number {
  const filter = (tunnel: TunnelInfo) => picks(tunnel, context.name);
  const picked = [...context.open].filter((one) => one.arrived <= at && filter(one.info()));
  for (const one of picked) one.cutOff(code, reason);
  // A user who logs out while a tunnel is opening must not get that tunnel afterwards.
  const opening = [...context.opening].filter((one) => one.arrived <= at && filter(one.info()));
  for (const { attempt } of opening) attempt.abort(new TunnelError('WSTUNNEL_ENDED', reason));
  context.ends.add(picks, reason, isShared, at);
  return picked.length + opening.length;
}

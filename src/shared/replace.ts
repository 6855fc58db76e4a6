import { within } from '../helpers/within.js';
import type { SharedTunnel } from './members.js';

/**
 * Seconds for the Close of a replaced tunnel, before both of its connections are destroyed. The client of such a tunnel is often
 * lost, and would never answer.
 */
const CLOSE_TIME = 2;

/** Seconds in which a replaced tunnel ends in any case. */
export const REPLACE_TIME = CLOSE_TIME + 1;

/** Tunnels that a request is replacing: another request must not wait for the same slot. */
const replaced = new WeakSet<SharedTunnel>();

export function isReplaced(tunnel: SharedTunnel): boolean {
  return replaced.has(tunnel);
}

/** Ends a tunnel for a newer one of the same user. Resolves when both of its connections are closed. */
export async function replaceTunnel(tunnel: SharedTunnel): Promise<void> {
  replaced.add(tunnel);
  tunnel.replace('replaced by a newer connection of the same user');
  if (await within(CLOSE_TIME, tunnel.untilClosed())) return;
  tunnel.destroy();
  await tunnel.untilClosed();
}

import { within } from '../helpers/within.js';
import type { SharedTunnel } from './members.js';

/**
 * Seconds for the Close of a replaced tunnel, before both of its connections are destroyed. The client of such a tunnel is often
 * lost, and would never answer.
 */
const CLOSE_TIME = 2;

/** Seconds for the end of connections that were destroyed. */
const DESTROY_TIME = 1;

/** Seconds after which it is known whether a replaced tunnel has ended. */
export const REPLACE_TIME = CLOSE_TIME + DESTROY_TIME;

/** Tunnels that a request is replacing: another request must not wait for the same slot. */
const replaced = new WeakSet<SharedTunnel>();

export function isReplaced(tunnel: SharedTunnel): boolean {
  return replaced.has(tunnel);
}

/** Ends a tunnel for a newer one of the same user. Resolves to false if its connections did not close in time. */
export async function replaceTunnel(tunnel: SharedTunnel): Promise<boolean> {
  replaced.add(tunnel);
  tunnel.replace('replaced by a newer connection of the same user');
  if (await within(CLOSE_TIME, tunnel.untilClosed())) return true;
  tunnel.destroy();
  return within(DESTROY_TIME, tunnel.untilClosed());
}

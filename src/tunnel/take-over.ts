import type { PooledHost } from '../backends/pooled-host.js';
import { orAborted, type AbortState } from '../helpers/abort.js';
import type { Lease } from '../helpers/lease.js';
import { within } from '../helpers/within.js';
import type { SharedTunnel } from '../shared/members.js';
import type { BalanceStrategy } from '../types.js';
import type { TunnelContext } from './context.js';

/**
 * Seconds for the Close of a replaced tunnel, before both of its connections are destroyed. The client of such a tunnel is often
 * lost, and would never answer.
 */
const CLOSE_TIME = 2;
/** Seconds for the end of connections that were destroyed. */
const DESTROY_TIME = 1;

/** Tunnels that a request is replacing: another request must not wait for the same slot. */
const replaced = new WeakSet<SharedTunnel>();

/** A slot at a host, until the release of the lease. */
export interface HostSlot {
  readonly host: PooledHost;
  readonly lease: Lease;
}

/**
 * For a request without a free host (`onFull: 'takeover'`): ends the oldest tunnel of the same user at one of these hosts, and waits
 * for its end, since the backend may accept only one connection. Undefined if there is no such tunnel, or if the tunnel does not
 * end in time.
 */
export async function takeOver(
  { members, pool }: Pick<TunnelContext, 'members' | 'pool'>,
  hosts: readonly PooledHost[],
  user: string | undefined,
  strategy: Pick<BalanceStrategy, 'opened' | 'closed'>,
  signal: AbortState,
): Promise<HostSlot | undefined> {
  const willing = new Map(
    hosts.filter(({ host }) => host.onFull === 'takeover').map((host) => [host.id, host]),
  );
  if (user === undefined || willing.size === 0) return undefined;
  const own = members.select((info) => info.user === user && willing.has(info.backend));
  const oldest = own.find(({ tunnel }) => !replaced.has(tunnel));
  const host = oldest && willing.get(oldest.info.backend);
  if (!host) return undefined;
  const { tunnel } = oldest;
  replaced.add(tunnel);
  // Leased before the other tunnel ends: otherwise a request of another user could get the slot.
  const lease = pool.lease(host, strategy);
  try {
    tunnel.replace('replaced by a newer connection of the same user');
    const isClosed = (seconds: number) => orAborted(signal, () => within(seconds, tunnel.untilClosed()));
    if (await isClosed(CLOSE_TIME)) return { host, lease };
    tunnel.destroy();
    if (await isClosed(DESTROY_TIME)) return { host, lease };
    lease.release();
    return undefined;
  } catch (error) {
    lease.release();
    throw error;
  }
}

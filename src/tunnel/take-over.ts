import type { PooledHost } from '../backends/pooled-host.js';
import { takeHostSlot } from '../guard/limits.js';
import { orAborted, type AbortState } from '../helpers/abort.js';
import { bothOf, type Lease } from '../helpers/lease.js';
import type { Network } from '../shared/network.js';
import { isReplaced, replaceTunnel } from '../shared/replace.js';
import type { BalanceStrategy } from '../types.js';
import type { TunnelContext } from './context.js';

/** A slot at a host, until the release of the lease. */
export interface HostSlot {
  readonly host: PooledHost;
  readonly lease: Lease;
}

type Context = Pick<TunnelContext, 'members' | 'pool' | 'network' | 'counter'>;
type Strategy = Pick<BalanceStrategy, 'opened' | 'closed'>;

/**
 * For a request without a free host (`onFull: 'takeover'`): ends the oldest tunnel of the same user at one of these hosts, and waits
 * for its end, since the backend may accept only one connection. Undefined if there is no such tunnel, or if the tunnel does not
 * end in time.
 */
export async function takeOver(
  context: Context,
  hosts: readonly PooledHost[],
  user: string | undefined,
  strategy: Strategy,
  signal: AbortState,
): Promise<HostSlot | undefined> {
  const willing = hosts.filter(({ host }) => host.onFull === 'takeover');
  if (user === undefined || willing.length === 0) return undefined;
  const shared = willing.filter(({ sharedId }) => sharedId !== undefined);
  if (context.network && shared.length > 0)
    return takeOverAnywhere(context, context.network, shared, user, strategy, signal);
  return takeOverHere(context, willing, user, strategy, signal);
}

/** From a tunnel of this process. */
async function takeOverHere(
  { members, pool }: Context,
  willing: readonly PooledHost[],
  user: string,
  strategy: Strategy,
  signal: AbortState,
): Promise<HostSlot | undefined> {
  const byId = new Map(willing.map((host) => [host.id, host]));
  const own = members.select((info) => info.user === user && byId.has(info.backend));
  const oldest = own.find(({ tunnel }) => !isReplaced(tunnel));
  const host = oldest && byId.get(oldest.info.backend);
  if (!host) return undefined;
  // Leased before the other tunnel ends: otherwise a request of another user could get the slot.
  const lease = pool.lease(host, strategy);
  try {
    if (await orAborted(signal, () => replaceTunnel(oldest.tunnel))) return { host, lease };
    lease.release();
    return undefined;
  } catch (error) {
    lease.release();
    throw error;
  }
}

/** From a tunnel of any process that shares the state. */
async function takeOverAnywhere(
  { pool, counter }: Context,
  network: Network,
  willing: readonly PooledHost[],
  user: string,
  strategy: Strategy,
  signal: AbortState,
): Promise<HostSlot | undefined> {
  const byId = new Map(willing.map((host) => [host.sharedId ?? '', host]));
  const oldest = await orAborted(signal, () => network.oldestOf(user, [...byId.keys()]));
  const host = oldest && byId.get(oldest.host);
  if (!host) return undefined;
  // A slot above the limit, which the other tunnel is about to release. Each tunnel may be replaced at the same time, as after an
  // outage of a network: one slot for all would refuse every user but one.
  const slot = await takeHostSlot(counter, oldest.host, 2 * host.host.maxTunnels, signal);
  if (!slot) return undefined;
  const lease = bothOf(slot, pool.lease(host, strategy));
  try {
    if (await orAborted(signal, () => network.replace(oldest))) return { host, lease };
  } catch (error) {
    lease.release();
    throw error;
  }
  lease.release();
  return undefined;
}

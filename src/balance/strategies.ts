import type { BalanceName, BalanceStrategy, HostState } from '../types.js';
import { highest } from './rendezvous.js';
import { Rotation } from './rotation.js';

/** lighttpd's `fair`, alias `least-connection`: the host with the lowest load for its weight; among equals, the first in the options. */
export function fair(): BalanceStrategy<unknown> {
  const share = ({ load, host: { weight = 1 } }: HostState) => load / weight;
  return {
    pick: (hosts) =>
      hosts.reduce<HostState | undefined>(
        (best, host) => (best && share(best) <= share(host) ? best : host),
        undefined,
      ),
  };
}

/** lighttpd's `round-robin`: the hosts in turn, in the order of the options, each as often as its weight. */
export function roundRobin(): BalanceStrategy<unknown> {
  const rotation = new Rotation();
  return { pick: (hosts, { all }) => rotation.next(all, new Set(hosts)) };
}

/** lighttpd's `hash`: requests with the same Host header and path get the same host. */
export function hash(): BalanceStrategy<unknown> {
  return { pick: (hosts, { authority, path }) => highest(hosts, `${authority.toLowerCase()} ${path}`) };
}

/** lighttpd's `sticky`: requests of the same client address, or with the same `stickyKey`, get the same host. */
export function sticky(): BalanceStrategy<unknown> {
  return { pick: (hosts, request) => highest(hosts, request.stickyKey()) };
}

/** One row per strategy. A new name in `BalanceName` (types.ts) does not compile without a row. */
const STRATEGIES: Readonly<Record<BalanceName, () => BalanceStrategy<unknown>>> = {
  fair,
  'least-connection': fair,
  'round-robin': roundRobin,
  hash,
  sticky,
};

export const BALANCE_NAMES = Object.keys(STRATEGIES) as readonly BalanceName[];

/** Creates a strategy by name. Each strategy has separate state. */
export function strategyOf(name: BalanceName): BalanceStrategy<unknown> {
  return STRATEGIES[name]();
}

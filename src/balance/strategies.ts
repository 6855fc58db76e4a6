import type { BalanceName, BalanceStrategy, HostState } from '../types.js';
import { highest } from './rendezvous.js';
import { Rotation } from './rotation.js';

/** lighttpd's `fair`, alias `least-connection`: the lowest load for its weight; of equals the first configured. */
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

/** lighttpd's `round-robin`: the next host after the last one used, in the configured order, each as often as its weight. */
export function roundRobin(): BalanceStrategy<unknown> {
  const turns = new Rotation();
  return { pick: (hosts, { all }) => turns.next(all, new Set(hosts)) };
}

/** lighttpd's `hash`: the same Host and path have the same backend. */
export function hash(): BalanceStrategy<unknown> {
  return { pick: (hosts, { authority, path }) => highest(hosts, `${authority.toLowerCase()} ${path}`) };
}

/** lighttpd's `sticky`: the same client, or the same `stickyKey`, has the same backend. */
export function sticky(): BalanceStrategy<unknown> {
  return { pick: (hosts, request) => highest(hosts, request.stickyKey()) };
}

const byName: Readonly<Record<BalanceName, () => BalanceStrategy<unknown>>> = {
  fair,
  'least-connection': fair,
  'round-robin': roundRobin,
  hash,
  sticky,
};

export const BALANCE_NAMES = Object.keys(byName) as readonly BalanceName[];

/** One of that name, with a state of its own. */
export function strategyOf(name: BalanceName): BalanceStrategy<unknown> {
  return byName[name]();
}

import type { BalanceStrategy, HostState } from '../types.js';

/** lighttpd's `fair`, alias `least-connection`: the lowest load; of equals the first configured. */
export function fair(): BalanceStrategy<unknown> {
  return {
    pick: (hosts) =>
      hosts.reduce<HostState | undefined>(
        (best, host) => (best && best.load <= host.load ? best : host),
        undefined,
      ),
  };
}

/** lighttpd's `round-robin`: of the hosts that are up, the next one after the last used, in the configured order. */
export function roundRobin(): BalanceStrategy<unknown> {
  let last = -1;
  return {
    pick: (hosts) => {
      const inOrder = [...hosts].sort((a, b) => a.order - b.order);
      const next = inOrder.find((host) => host.order > last) ?? inOrder[0];
      if (next) last = next.order;
      return next;
    },
  };
}

/** The names that `balance` takes. */
export const strategies = {
  fair,
  'least-connection': fair,
  'round-robin': roundRobin,
} as const satisfies Record<string, () => BalanceStrategy<unknown>>;

export type StrategyName = keyof typeof strategies;

import type { Condition, Rule, RuleOptions } from '../../../types.js';
import { usageError } from '../../command-line/args.js';
import { trustsUnix } from '../server/trusted-proxies.js';
import type { Plan } from '../plan.js';

/**
 * On a unix socket a client has no address: every list would refuse everybody, and a count would take all clients for one.
 *
 * @throws {CommandError} for an option that goes by addresses, where no proxy that is believed says them.
 */
export function requireClientAddresses(plan: Plan): void {
  const { listen, tunnel, trustProxy, acceptProxy, isLighttpd } = plan;
  const socket = listen.find((address) => address.socket !== undefined)?.socket;
  // In a lighttpd.conf such a condition holds for no client of a unix socket, as in lighttpd.
  if (socket === undefined || isLighttpd || acceptProxy || trustsUnix(trustProxy)) return;
  const name = (tunnel.limits?.perClient ?? 0) > 0 ? 'limits.perClient' : addressOptionOf(tunnel);
  if (name === undefined) return;
  throw usageError(
    `${name} needs the client's address, which connections to unix:${socket} lack: --trust-proxy unix reads it from ` +
      "the proxy's X-Forwarded-For, --accept-proxy from its PROXY protocol header",
  );
}

/** The first option that goes by the client's address, also within rules. */
function addressOptionOf(options: RuleOptions & Pick<Rule, 'when' | 'rules' | 'else'>): string | undefined {
  const { allow, deny, balance, rules = [], when, else: otherwise } = options;
  if (allow) return 'allow';
  if (deny) return 'deny';
  if (balance === 'sticky') return 'balance "sticky"';
  if (when && asksForAddress(when)) return 'remoteAddress';
  const inner = [...rules, ...(otherwise ? [otherwise] : [])];
  return inner.map(addressOptionOf).find((name) => name !== undefined);
}

function asksForAddress({ remoteAddress, all = [], any = [], not }: Condition): boolean {
  const inner = [...all, ...any, ...(not ? [not] : [])];
  return remoteAddress !== undefined || inner.some(asksForAddress);
}

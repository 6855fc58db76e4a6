import type { Condition, Rule, RuleOptions } from '../../../types.js';
import { usageError } from '../../command-line/args.js';
import { trustsUnix } from '../server/trusted-proxies.js';
import type { Plan } from '../plan.js';

/**
 * On a unix socket a client has no address: address lists would refuse every client, and counts would treat all clients as one.
 *
 * @throws {CommandError} for an option that needs addresses, unless a trusted proxy sends them
 */
export function requireClientAddresses(plan: Plan): void {
  const { listen, tunnel, trustProxy, acceptProxy, isLighttpd } = plan;
  const socket = listen.find((address) => address.socket !== undefined)?.socket;
  // As in lighttpd, an address condition of a lighttpd.conf never holds on a unix socket.
  if (socket === undefined || isLighttpd || acceptProxy || trustsUnix(trustProxy)) return;
  const name = (tunnel.limits?.perClient ?? 0) > 0 ? 'limits.perClient' : addressOptionOf(tunnel);
  if (name === undefined) return;
  throw usageError(
    `${name} needs the client's address, which connections to unix:${socket} lack: --trust-proxy unix reads it from ` +
      "the proxy's X-Forwarded-For, --accept-proxy from its PROXY protocol header",
  );
}

/** The first option that needs the client's address, rules included. */
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

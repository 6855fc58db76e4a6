import type { IncomingMessage } from 'node:http';
import type { ResolvedHost } from '../backends/host.js';
import { messageOf, TunnelError } from '../errors.js';
import { defaultAddress, normalizeAddress } from '../request/client-address.js';
import { trustsEverybody } from '../request/proxy-trust.js';
import type { RuleSettings, Server, Settings } from '../options/options.js';
import { HostMap } from '../routes/host-map.js';
import { applyRules, type CompiledRule } from '../routes/compiled-rules.js';
import { furthest, type Reach } from '../upgrade/app/find-tunnels.js';

/** What the rules make of one request. */
export interface Route<Req extends IncomingMessage> {
  readonly settings: RuleSettings<Req>;
  readonly server: Exclude<Server<Req>, HostMap<readonly ResolvedHost[]>>;
  /** Why it could not be found out: the request is refused. */
  readonly failure?: TunnelError;
}

/** Is this request the tunnel's? Undefined where it is not: no rule gives it a server. */
export function match<Req extends IncomingMessage>(
  { matchesUrl, base, rules, notations }: Settings<Req>,
  req: Req,
  path: string,
): Route<Req> | undefined {
  if (!matchesUrl(path)) return undefined;
  try {
    let known: string | undefined;
    const address = () => (known ??= addressForRules(base, req));
    const settings = rules.length === 0 ? base : applyRules(base, rules, { req, path, address });
    const server = serverFor(settings, path);
    if (server && !notations.every((notation) => notation.isNormal(path))) throw pathRefused();
    return server && { settings, server };
  } catch (error) {
    const failure =
      error instanceof TunnelError
        ? error
        : new TunnelError('WSTUNNEL_HOOK_FAILED', `rules: ${messageOf(error)}`, { cause: error });
    return { settings: base, server: [], failure };
  }
}

function pathRefused(): TunnelError {
  const message =
    'the path is not in its normal form: lighttpd would write its escapes, "//", "." or ".." otherwise';
  return new TunnelError('WSTUNNEL_PATH_REFUSED', message);
}

/** May a request with this path be the tunnel's? Only a condition on something else leaves it open. */
export function reachOfPath<Req extends IncomingMessage>(
  { matchesUrl, base, rules }: Settings<Req>,
  path: string,
): Reach {
  if (!matchesUrl(path)) return 'no';
  const own = serverFor(base, path) === undefined ? 'no' : 'yes';
  const reach = furthest([own, ...rules.map((rule) => reachOfRule(rule, path))]);
  if (reach === 'no' && base.server === undefined) return 'no';
  return rules.some((rule) => mapsAnew(rule, path)) ? 'maybe' : reach;
}

/** May it change where in a map the path is looked up, or in which? Then what the other options say of the path is not final. */
function mapsAnew<Req extends IncomingMessage>(
  { matchesUrl, when, set, rules, otherwise }: CompiledRule<RuleSettings<Req>>,
  path: string,
): boolean {
  const applies = matchesUrl(path);
  const isHere = set.mapExtensions !== undefined || set.server instanceof HostMap;
  if (applies && (isHere || rules.some((rule) => mapsAnew(rule, path)))) return true;
  return (!applies || when !== undefined) && otherwise !== undefined && mapsAnew(otherwise, path);
}

function reachOfRule<Req extends IncomingMessage>(
  { matchesUrl, when, set, rules, otherwise }: CompiledRule<RuleSettings<Req>>,
  path: string,
): Reach {
  const instead = otherwise ? reachOfRule(otherwise, path) : 'no';
  if (!matchesUrl(path)) return instead;
  const own = set.server === undefined ? 'no' : set.server instanceof HostMap ? 'maybe' : 'yes';
  const inside = furthest([own, ...rules.map((rule) => reachOfRule(rule, path))]);
  if (!when) return inside;
  return inside === 'no' && instead === 'no' ? 'no' : 'maybe';
}

function serverFor<Req extends IncomingMessage>(
  { server, mapExtensions }: RuleSettings<Req>,
  path: string,
): Route<Req>['server'] | undefined {
  return server instanceof HostMap ? server.hostsOf(path, mapExtensions) : server;
}

/** Rules are chosen before the request is guarded: only the tunnel's own `clientAddress` can count. */
function addressForRules<Req extends IncomingMessage>(
  { clientAddress }: RuleSettings<Req>,
  req: Req,
): string {
  if (!clientAddress) checkTrust(req, 'remoteAddress');
  const address: unknown = clientAddress ? clientAddress(req) : defaultAddress(req);
  if (address !== undefined && typeof address !== 'string')
    throw new Error('clientAddress must return a string where a rule asks for remoteAddress');
  return normalizeAddress(address ?? '');
}

/** `what` judges by the address: throws the 500 where clients write their own. */
export function checkTrust(req: IncomingMessage, what: string): void {
  if (!trustsEverybody(req)) return;
  throw new TunnelError(
    'WSTUNNEL_HOOK_FAILED',
    `${what} can't be used under 'trust proxy': true, where clients write their own address; name the proxies ` +
      "(app.set('trust proxy', 'loopback')) or give clientAddress",
  );
}

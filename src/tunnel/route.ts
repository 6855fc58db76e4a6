import type { IncomingMessage } from 'node:http';
import type { ResolvedHost } from '../backends/host.js';
import { messageOf, TunnelError } from '../errors.js';
import { defaultAddress, normalizeAddress } from '../request/client-address.js';
import { trustsEverybody } from '../request/proxy-trust.js';
import { ticketsIn, ticketsOf } from '../request/ticket.js';
import type { RuleSettings, ServerSetting, Settings } from '../options/settings.js';
import { CompiledHostMap } from '../routes/host-map.js';
import { applyRules, type CompiledRule } from '../routes/compiled-rules.js';
import { mostCertain, type Reach } from '../upgrade/path-reach.js';

/** The settings and hosts that the rules give to one request. */
export interface Route<Req extends IncomingMessage> {
  readonly settings: RuleSettings<Req>;
  /** Undefined only for a request with a ticket, or one that needs a ticket. */
  readonly server: Exclude<ServerSetting<Req>, CompiledHostMap<readonly ResolvedHost[]>> | undefined;
  /** The error if the rules could not be applied: the request is refused. */
  readonly failure?: TunnelError;
  /** For the debug log: the places of the rules that match. */
  readonly matched?: readonly string[] | undefined;
}

/**
 * Applies the rules to a request. Undefined for a request outside the tunnel: `url` does not match, or the options give no server and the
 * request has no ticket and needs none.
 */
export function match<Req extends IncomingMessage>(
  { matchesUrl, base, rules, notations }: Settings<Req>,
  req: Req,
  path: string,
  matched?: string[],
): Route<Req> | undefined {
  if (!matchesUrl(path)) return undefined;
  try {
    let cached: string | undefined;
    const address = () => (cached ??= addressForRules(base, req));
    const settings = rules.length === 0 ? base : applyRules(base, rules, { req, path, address }, matched);
    const server = serverFor(settings, path);
    if (!server && settings.tickets !== 'require' && ticketsOf(req).length === 0) return undefined;
    if (!notations.every((notation) => notation.isNormal(path))) throw pathRefused();
    return { settings, server, matched: rules.length > 0 ? matched : undefined };
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
    'the path is not in its normal form: write it as lighttpd would, without "//", ".", ".." and unneeded escapes';
  return new TunnelError('WSTUNNEL_PATH_REFUSED', message);
}

/** Does a request with this path and query belong to the tunnel? `maybe` if a rule has a condition on more than the path. */
export function reachOfPath<Req extends IncomingMessage>(
  { matchesUrl, base, rules }: Settings<Req>,
  path: string,
  query = '',
): Reach {
  if (!matchesUrl(path)) return 'no';
  if (ticketsIn(query).length > 0) return 'yes';
  const isServed = serverFor(base, path) !== undefined;
  const ofBase = isServed || base.tickets === 'require' ? 'yes' : 'no';
  const reach = mostCertain([ofBase, ...rules.map((rule) => reachOfRule(rule, path))]);
  if (reach === 'no' && base.server === undefined) return 'no';
  return rules.some((rule) => changesReach(rule, path, isServed)) ? 'maybe' : reach;
}

/**
 * Can the rule replace the host map or the map's extensions? If so, the other options alone do not decide about the path. The same holds
 * for a rule that requires no tickets, unless the path `isServed` by the options of the tunnel object.
 */
function changesReach<Req extends IncomingMessage>(
  { matchesUrl, when, set, rules, otherwise }: CompiledRule<RuleSettings<Req>>,
  path: string,
  isServed: boolean,
): boolean {
  const applies = matchesUrl(path);
  const isHere =
    set.mapExtensions !== undefined ||
    set.server instanceof CompiledHostMap ||
    (set.tickets === 'accept' && !isServed);
  if (applies && (isHere || rules.some((rule) => changesReach(rule, path, isServed)))) return true;
  return (
    (!applies || when !== undefined) && otherwise !== undefined && changesReach(otherwise, path, isServed)
  );
}

function reachOfRule<Req extends IncomingMessage>(
  { matchesUrl, when, set, rules, otherwise }: CompiledRule<RuleSettings<Req>>,
  path: string,
): Reach {
  const instead = otherwise ? reachOfRule(otherwise, path) : 'no';
  if (!matchesUrl(path)) return instead;
  const isRequired = set.tickets === 'require';
  const ofRule = isRequired
    ? 'yes'
    : set.server === undefined
      ? 'no'
      : set.server instanceof CompiledHostMap
        ? 'maybe'
        : 'yes';
  const inside = mostCertain([ofRule, ...rules.map((rule) => reachOfRule(rule, path))]);
  if (!when) return inside;
  return inside === 'no' && instead === 'no' ? 'no' : 'maybe';
}

function serverFor<Req extends IncomingMessage>(
  { server, mapExtensions }: RuleSettings<Req>,
  path: string,
): Route<Req>['server'] | undefined {
  return server instanceof CompiledHostMap ? server.hostsOf(path, mapExtensions) : server;
}

/** Rules are applied before the request is authorized, so that only the tunnel's top-level `clientAddress` can be used. */
function addressForRules<Req extends IncomingMessage>(
  { clientAddress }: RuleSettings<Req>,
  req: Req,
): string {
  if (!clientAddress) checkAddressIsReliable(req, 'remoteAddress');
  const address: unknown = clientAddress ? clientAddress(req) : defaultAddress(req);
  if (address !== undefined && typeof address !== 'string')
    throw new Error('clientAddress must return a string where a rule has remoteAddress');
  return normalizeAddress(address ?? '');
}

/** Throws the 500 if clients can choose the address compared by the option `name`. */
export function checkAddressIsReliable(req: IncomingMessage, name: string): void {
  if (!trustsEverybody(req)) return;
  throw new TunnelError(
    'WSTUNNEL_HOOK_FAILED',
    `${name} can't be used with 'trust proxy': true, which lets clients choose their address; name the proxies ` +
      "(app.set('trust proxy', 'loopback')) or give clientAddress",
  );
}

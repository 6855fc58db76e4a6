import type { IncomingMessage } from 'node:http';
import { strategyOf } from '../balance/strategies.js';
import { compileAddresses } from '../request/client-address.js';
import { TOKEN_SOURCE } from '../request/grant.js';
import { compileCondition } from '../routes/compiled-condition.js';
import type { CompiledRule } from '../routes/compiled-rules.js';
import { compileUrl, type UrlMatcher } from '../routes/url-match.js';
import type { Rule, RuleOptions, TunnelOptions } from '../types.js';
import { fail } from './checks/fail.js';
import { namedOf } from './checks/names.js';
import { checkNeedsBytes } from './checks/needs-bytes.js';
import { optionError } from './checks/option-error.js';
import { OptionPath, type OptionRef } from './checks/option-path.js';
import { readServerOption } from './read-hosts.js';
import { readOrigins } from './read-origins.js';
import { readRevalidate } from './read-revalidate.js';
import { readVnc, VncSettings } from './read-vnc.js';
import { RULE_OPTIONS } from './rule-options.js';
import type { RuleSettings } from './settings.js';

/**
 * The settings for the given options only, since a rule leaves all other options unchanged. `path` is undefined for the options
 * of the tunnel object.
 */
export function readRuleOptions<Req extends IncomingMessage>(
  options: RuleOptions<Req>,
  path?: OptionPath,
): Partial<RuleSettings<Req>> {
  const { server, balance, origins, mapExtensions, allow, deny, revalidate, vnc } = options;
  return {
    ...(namedOf(options, Object.keys(RULE_OPTIONS)) as Partial<RuleSettings<Req>>),
    ...(server !== undefined && {
      server:
        typeof server === 'function'
          ? checkedFunction(server, path?.key('server') ?? 'server')
          : readServerOption(server, path?.key('server') ?? 'server'),
    }),
    ...(balance !== undefined && { balance: typeof balance === 'string' ? strategyOf(balance) : balance }),
    ...(origins !== undefined && { origins: readOrigins<Req>(origins) }),
    ...(mapExtensions && { mapExtensions: Object.freeze({ ...mapExtensions }) }),
    ...(allow && { allow: compileAddresses(allow) }),
    ...(deny && { deny: compileAddresses(deny) }),
    ...(revalidate !== undefined && { revalidate: readRevalidate(revalidate) }),
    ...(vnc !== undefined && { vnc: readVnc<Req>(vnc) }),
  };
}

function checkedFunction<Of extends object>(server: Of, name: OptionRef): Of {
  if (TOKEN_SOURCE in server)
    throw optionError(
      name,
      'is a source of tokens: wrap the source in tokenServer(), as tokenServer(fileTokens(path))',
    );
  return server;
}

/** `base`: the settings of the tunnel object. */
export function readRules<Req extends IncomingMessage>(
  rules: readonly Rule<Req>[] | undefined,
  base: Partial<RuleSettings<Req>>,
): readonly CompiledRule<RuleSettings<Req>>[] {
  checkCombinations(base);
  return readList(rules, OptionPath.of('rules'), base);
}

/** `inherited`: the settings of the outer rules, as far as known before a request. */
function readList<Req extends IncomingMessage>(
  rules: readonly Rule<Req>[] = [],
  path: OptionPath,
  inherited: Partial<RuleSettings<Req>>,
): readonly CompiledRule<RuleSettings<Req>>[] {
  return rules.map((rule, index) => readRule(rule, path.item(index), inherited));
}

function readRule<Req extends IncomingMessage>(
  rule: Rule<Req>,
  path: OptionPath,
  inherited: Partial<RuleSettings<Req>>,
): CompiledRule<RuleSettings<Req>> {
  const set = readRuleOptions<Req>(rule, path);
  const inside = { ...inherited, ...set };
  checkCombinations(inside, path);
  return {
    matchesUrl: urlMatcherOf(rule.url),
    when: rule.when && compileCondition(rule.when),
    set,
    rules: readList(rule.rules, path.key('rules'), inside),
    otherwise: rule.else && readRule(rule.else, path.key('else'), inherited),
  };
}

/** Options that exclude each other, of the tunnel or of a rule with what it inherits. */
function checkCombinations<Req extends IncomingMessage>(
  settings: Partial<RuleSettings<Req>>,
  path?: OptionPath,
): void {
  checkRefusing(settings, path);
  checkControl(settings, path);
  checkVncServer(settings, path);
}

/** A Close frame has no room for the answer of `onRefuse`. */
function checkRefusing(
  { refuseWith, onRefuse }: { readonly refuseWith?: unknown; readonly onRefuse?: unknown },
  path?: OptionPath,
): void {
  if (refuseWith !== 'close' || onRefuse === undefined) return;
  fail(
    path?.key('onRefuse') ?? 'onRefuse',
    "can't answer under refuseWith: 'close', which answers with a Close; leave one out",
    onRefuse,
  );
}

/** Control messages are the text messages of a client whose payload is binary. */
function checkControl<Req extends IncomingMessage>(
  { control, frameType, server }: Partial<RuleSettings<Req>>,
  path?: OptionPath,
): void {
  if (control === undefined) return;
  checkNeedsBytes('control', server, path);
  if (frameType === 'text')
    throw optionError(
      path?.key('control') ?? 'control',
      'needs frameType "binary", since with "text" the text messages of the client are payload',
    );
}

/** A function `vnc` may spare a host whose frames pass as they are. */
function checkVncServer<Req extends IncomingMessage>(
  { vnc, server }: Partial<RuleSettings<Req>>,
  path?: OptionPath,
): void {
  if (vnc instanceof VncSettings) checkNeedsBytes('vnc', server, path);
}

/** Compiles the option `url`, which was checked before. */
export function urlMatcherOf(url: TunnelOptions['url']): UrlMatcher {
  return url === undefined ? () => true : compileUrl([url].flat());
}

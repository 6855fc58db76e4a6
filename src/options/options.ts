import type { IncomingMessage } from 'node:http';
import type { BlockList } from 'node:net';
import { inspect } from 'node:util';
import type { ResolvedHost } from '../backends/host.js';
import { BALANCE_NAMES, strategyOf } from '../balance/strategies.js';
import type { CountLimits } from '../guard/limits.js';
import {
  compileOrigin,
  expectedOrigin,
  nativeOrigin,
  parseOrigin,
  type OriginCheck,
} from '../guard/origin.js';
import { isOwnPage } from '../guard/rebinding.js';
import { compileAddresses } from '../request/client-address.js';
import { checkEach } from './option-error.js';
import {
  fail,
  MAX_SHOWN,
  namedOf,
  readBoolean,
  readFunction,
  readNames,
  readNumber,
  readOneOf,
  readRegExp,
  readSeconds,
  type Check,
} from './checks.js';
import { compileCondition } from '../routes/compiled-condition.js';
import type { CompiledHostMap } from '../routes/host-map.js';
import type { CompiledRule } from '../routes/compiled-rules.js';
import type { Notation } from '../routes/path-notation.js';
import { compileUrl, type UrlMatcher } from '../routes/url-match.js';
import type { BalanceStrategy, Rule, RuleOptions, TunnelOptions } from '../types.js';
import { MAX_DEPTH, readAddress, readCondition } from './conditions.js';
import { DEFAULTS } from './defaults.js';
import { readServer } from './hosts.js';
import { notationsOf } from './notations.js';

/** What `server` may be, once read. A function's hosts are read when it has answered. */
export type Server<Req extends IncomingMessage> =
  | readonly ResolvedHost[]
  | CompiledHostMap<readonly ResolvedHost[]>
  | Extract<RuleOptions<Req>['server'], CallableFunction>;

/** The options of one request: the tunnel's own, and what its rules make of them. */
export interface RuleSettings<Req extends IncomingMessage> {
  readonly server: Server<Req> | undefined;
  readonly balance: BalanceStrategy<Req>;
  readonly stickyKey: RuleOptions<Req>['stickyKey'];
  readonly mapExtensions: RuleOptions<Req>['mapExtensions'];
  readonly frameType: 'binary' | 'text';
  readonly subprotocol: RuleOptions<Req>['subprotocol'];
  readonly origins: Origins<Req>;
  readonly allow: BlockList | undefined;
  readonly deny: BlockList | undefined;
  readonly clientAddress: RuleOptions<Req>['clientAddress'];
  readonly authenticate: RuleOptions<Req>['authenticate'];
  readonly user: RuleOptions<Req>['user'];
  readonly pingInterval: number;
  readonly pongTimeout: number;
  readonly handshakeTimeout: number;
  readonly idleTimeout: number;
  readonly maxDuration: number;
  readonly closeTimeout: number;
  readonly drainTimeout: number;
  readonly writeTimeout: number;
  readonly refuseWith: 'http' | 'close';
  readonly onRefuse: RuleOptions<Req>['onRefuse'];
}

/** The options of the tunnel as a whole. */
export interface Settings<Req extends IncomingMessage> {
  readonly matchesUrl: UrlMatcher;
  /** Where no rule applies. */
  readonly base: RuleSettings<Req>;
  readonly rules: readonly CompiledRule<RuleSettings<Req>>[];
  /** How the options read paths, where not as they were sent. */
  readonly notations: readonly Notation[];
  readonly limits: CountLimits & { readonly buffered: number; readonly opening: CountLimits };
  readonly debug: number;
  readonly autoAttach: boolean;
}

/** Which pages may open a tunnel. */
export interface Origins<Req> {
  readonly check: OriginCheck<Req>;
  /** A list refuses a request without Origin. */
  readonly needed: boolean;
  /** What an Origin that was refused was compared with, for events and the log. */
  readonly expected: (req: Req) => string;
}

// An option without its check does not compile. (Exported for the test of the README's tables.)
export const RULE_OPTIONS: Readonly<Record<keyof RuleOptions, Check>> = {
  // Checked where it is read (readRuleOptions): certificates are not read twice.
  server: () => undefined,
  balance: checkBalance,
  stickyKey: readFunction,
  mapExtensions: readTexts,
  frameType: readOneOf(['binary', 'text']),
  subprotocol: readFunction,
  origins: checkOrigins,
  allow: (value, name) => void readAddresses(value, name),
  deny: (value, name) => void readAddresses(value, name),
  clientAddress: readFunction,
  authenticate: readFunction,
  user: readFunction,
  pingInterval: readSeconds(0, 900),
  pongTimeout: readSeconds(0, 300),
  handshakeTimeout: readSeconds(0.001, 300),
  idleTimeout: readSeconds(0, 86_400),
  maxDuration: readSeconds(0, 31_622_400),
  closeTimeout: readSeconds(0.001, 300),
  drainTimeout: readSeconds(0.001, 86_400),
  writeTimeout: readSeconds(0, 86_400),
  refuseWith: readOneOf(['http', 'close']),
  onRefuse: readFunction,
};

export const OPTIONS: Readonly<Record<keyof TunnelOptions, Check>> = {
  url: (value, name) => void readUrls(value, name),
  ...RULE_OPTIONS,
  rules: checkRuleList,
  limits: (value, name) => {
    const count = readNumber(0, 1_000_000);
    const opening: Check = (given, givenName) => {
      if (typeof given === 'object') readNames(given, givenName, { total: count, perClient: count });
      else count(given, givenName);
    };
    const buffered = readNumber(64 * 1024, 1024 ** 3);
    readNames(value, name, { total: count, perClient: count, buffered, opening });
  },
  debug: readNumber(0, 65535),
  autoAttach: readBoolean,
};

export const RULE: Readonly<Record<keyof Rule, Check>> = {
  url: OPTIONS.url,
  when: (value, name) => void readCondition(value, name),
  ...RULE_OPTIONS,
  rules: checkRuleList,
  else: (value, name) => readNames(value, name, RULE),
};

/** Checks everything once; throws {@link TunnelError} WSTUNNEL_OPTION with the option, the value and the way out. */
export function readOptions<Req extends IncomingMessage>(options: TunnelOptions<Req>): Settings<Req> {
  checkDepth((options as TunnelOptions<Req> | undefined)?.rules, 'rules', 0);
  readNames(options, 'options', OPTIONS);
  const { limits = {} } = options;
  const given = readRuleOptions(options, '');
  return Object.freeze<Settings<Req>>({
    matchesUrl: readUrl(options.url),
    base: Object.freeze<RuleSettings<Req>>({
      ...{ server: undefined, stickyKey: undefined, mapExtensions: undefined, subprotocol: undefined },
      ...{ allow: undefined, deny: undefined, clientAddress: undefined, authenticate: undefined },
      ...{ user: undefined, onRefuse: undefined },
      balance: strategyOf(DEFAULTS.balance),
      origins: readOrigins<Req>(DEFAULTS.origins),
      frameType: DEFAULTS.frameType,
      pingInterval: DEFAULTS.pingInterval,
      pongTimeout: DEFAULTS.pongTimeout,
      handshakeTimeout: DEFAULTS.handshakeTimeout,
      idleTimeout: DEFAULTS.idleTimeout,
      maxDuration: DEFAULTS.maxDuration,
      closeTimeout: DEFAULTS.closeTimeout,
      drainTimeout: DEFAULTS.drainTimeout,
      writeTimeout: DEFAULTS.writeTimeout,
      refuseWith: DEFAULTS.refuseWith,
      ...given,
    }),
    rules: readRules(options.rules, 'rules', given),
    notations: notationsOf(options),
    limits: {
      total: limits.total ?? 0,
      perClient: limits.perClient ?? 0,
      buffered: limits.buffered ?? DEFAULTS.buffered,
      opening: readOpening(limits.opening),
    },
    debug: options.debug ?? 0,
    autoAttach: options.autoAttach ?? true,
  });
}

function readOpening(given: NonNullable<TunnelOptions['limits']>['opening']): CountLimits {
  const { total, perClient } = typeof given === 'number' ? { total: given } : (given ?? {});
  return Object.freeze({
    total: total ?? DEFAULTS.opening.total,
    perClient: perClient ?? DEFAULTS.opening.perClient,
  });
}

/** Only what is given: in a rule the rest stays as it was. */
function readRuleOptions<Req extends IncomingMessage>(
  options: RuleOptions<Req>,
  path: string,
): Partial<RuleSettings<Req>> {
  const { server, balance, origins, mapExtensions, allow, deny } = options;
  return {
    ...(namedOf(options, Object.keys(RULE_OPTIONS)) as Partial<RuleSettings<Req>>),
    ...(server !== undefined && {
      server: typeof server === 'function' ? server : readServer(server, `${path}server`),
    }),
    ...(balance !== undefined && { balance: typeof balance === 'string' ? strategyOf(balance) : balance }),
    ...(origins !== undefined && { origins: readOrigins<Req>(origins) }),
    ...(mapExtensions && { mapExtensions: Object.freeze({ ...mapExtensions }) }),
    ...(allow && { allow: readAddresses(allow, 'allow') }),
    ...(deny && { deny: readAddresses(deny, 'deny') }),
  };
}

/** `inherited`: what the rules around these set, as far as it can be known before a request. */
function readRules<Req extends IncomingMessage>(
  rules: readonly Rule<Req>[] | undefined,
  name: string,
  inherited: Partial<RuleSettings<Req>>,
): readonly CompiledRule<RuleSettings<Req>>[] {
  checkRefusing(inherited, name);
  return (rules ?? []).map((rule, index) => readRule(rule, `${name}[${index}]`, inherited));
}

function readRule<Req extends IncomingMessage>(
  rule: Rule<Req>,
  name: string,
  inherited: Partial<RuleSettings<Req>>,
): CompiledRule<RuleSettings<Req>> {
  const set = readRuleOptions<Req>(rule, `${name}.`);
  return {
    matchesUrl: readUrl(rule.url),
    when: rule.when && compileCondition(rule.when),
    set,
    rules: readRules(rule.rules, `${name}.rules`, { ...inherited, ...set }),
    otherwise: rule.else && readRule(rule.else, `${name}.else`, inherited),
  };
}

function checkRuleList(value: unknown, name: string): void {
  if (!Array.isArray(value)) fail(name, 'must be a list of rules', value);
  const rules = value as unknown[];
  checkEach(rules.map((rule, index) => () => readNames(rule, `${name}[${index}]`, RULE)));
}

/** Before anything follows them: rules may contain themselves. */
function checkDepth(rules: unknown, name: string, depth: number): void {
  if (!Array.isArray(rules)) return;
  if (depth > MAX_DEPTH) fail(name, `has more than ${MAX_DEPTH} rules inside each other`, rules);
  for (let rule of rules as unknown[])
    for (let steps = 0; typeof rule === 'object' && rule !== null; steps++) {
      if (steps > 1000) fail(name, 'has more than 1000 rules in a row of else', rules);
      const { rules: inner, else: otherwise } = rule as { rules?: unknown; else?: unknown };
      checkDepth(inner, `${name}[].rules`, depth + 1);
      rule = otherwise;
    }
}

function checkRefusing(
  { refuseWith, onRefuse }: { refuseWith?: string; onRefuse?: unknown },
  name: string,
): void {
  if (refuseWith !== 'close' || !onRefuse) return;
  const where = name === 'rules' ? '' : ` (in ${name.replace(/\.rules$/, '')})`;
  fail(
    'onRefuse',
    `can't answer under refuseWith: 'close', which answers with a Close; leave one out${where}`,
    onRefuse,
  );
}

function readUrl(url: TunnelOptions['url']): UrlMatcher {
  return url === undefined ? () => true : compileUrl(readUrls(url, 'url'));
}

function readTexts(value: unknown, name: string): void {
  const names = Object.keys(value ?? {});
  const text: Check = (given, givenName) => {
    if (typeof given !== 'string') fail(givenName, 'must be a string', given);
  };
  readNames(value, name, Object.fromEntries(names.map((one) => [one, text])));
}

function readUrls(value: unknown, name: string): (RegExp | string)[] {
  const patterns: unknown[] = Array.isArray(value) ? value : [value];
  if (patterns.length === 0) fail(name, 'needs at least one pattern', value);
  return patterns.map((pattern) => {
    if (pattern instanceof RegExp) return readRegExp(pattern, name);
    if (typeof pattern === 'string' && pattern.startsWith('/') && !/[?#]/.test(pattern)) return pattern;
    return fail(name, 'must be a RegExp or a path that begins with "/" and has no query', pattern);
  });
}

function readAddresses(value: unknown, name: string): BlockList {
  if (!Array.isArray(value) || value.length === 0)
    fail(
      name,
      'must list at least one address or CIDR range; leave it out to have no such list',
      value,
      asList(value),
    );
  return compileAddresses((value as unknown[]).map((entry) => readAddress(entry, name)));
}

/** One text, or several with commas, in the place of a list. */
function asList(value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.length > MAX_SHOWN) return '';
  return `; write ${inspect(
    value.split(',').map((one) => one.trim()),
    { breakLength: Infinity },
  )}`;
}

function checkBalance(value: unknown, name: string): void {
  if (typeof value === 'object' && value !== null) {
    const { pick, opened, closed } = value as Partial<BalanceStrategy>;
    if (typeof pick !== 'function') fail(name, 'as an object needs a pick() method', value);
    if (opened !== undefined) readFunction(opened, `${name}.opened`);
    if (closed !== undefined) readFunction(closed, `${name}.closed`);
    return;
  }
  readOneOf(BALANCE_NAMES)(value, name);
}

function checkOrigins(value: unknown, name: string): void {
  if (value === 'same' || value === '*' || typeof value === 'function') return;
  if (!Array.isArray(value))
    fail(name, 'must be "same", "*", a list of origins or a function', value, asList(value));
  const entries = value as unknown[];
  if (entries.length === 0) fail(name, 'needs at least one origin, or "same"', value);
  for (const entry of entries) {
    if (entry instanceof RegExp) readRegExp(entry, name);
    else if (typeof entry !== 'string' || !(nativeOrigin(entry) ?? compileOrigin(entry)))
      fail(
        name,
        'lists origins such as "https://a.example", "a.example:8443", "*.a.example", "tauri://localhost" or RegExps',
        entry,
      );
  }
}

function readOrigins<Req extends IncomingMessage>(
  origins: NonNullable<RuleOptions<Req>['origins']>,
): Origins<Req> {
  if (origins === 'same') return { check: isOwnPage, needed: false, expected: expectedOrigin };
  if (origins === '*') return { check: () => true, needed: false, expected: () => '*' };
  if (typeof origins === 'function')
    return { check: origins, needed: false, expected: () => 'what the function origins says' };
  const tests = origins.map((entry) => {
    const native = typeof entry === 'string' ? nativeOrigin(entry) : undefined;
    return native ?? (typeof entry === 'string' ? compileOrigin(entry) : entry);
  });
  const check = (origin = '') => {
    const page = parseOrigin(origin);
    return tests.some((test) => {
      if (typeof test === 'string') return test === origin;
      return test instanceof RegExp ? test.test(origin) : page !== undefined && test?.(page) === true;
    });
  };
  return { check, needed: true, expected: () => `one of ${origins.map(String).join(', ')}` };
}

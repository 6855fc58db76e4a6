import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { ResolvedHost } from './backends/dial.js';
import { strategies } from './balance/strategies.js';
import { compileAddresses, type AddressRules } from './guard/address.js';
import { compileOrigin, isSameOrigin, parseOrigin, type OriginCheck } from './guard/origin.js';
import {
  fail,
  readBoolean,
  readFunction,
  readNames,
  readNumber,
  readOneOf,
  readRegExp,
  readSeconds,
  readText,
} from './helpers/readers.js';
import { compileUrl, type UrlMatcher } from './routes.js';
import type { BalanceStrategy, Host, TunnelOptions } from './types.js';

/** The defaults, each with its reason. Times in seconds, sizes in bytes. */
export const DEFAULTS = {
  /** Bytes are what tunnels carry; text frames would have to be UTF-8. */
  frameType: 'binary',
  /** Below the 60 s after which most proxies drop a silent connection. */
  pingInterval: 30,
  /** Longer than any stall of a living network; with the interval, a dead client is gone within a minute. */
  pongTimeout: 20,
  /** Long enough for a slow login and a sleeping backend, short enough to free what hangs. */
  handshakeTimeout: 30,
  /** What is under way over a slow line arrives; a dead peer does not hold the backend. */
  closeTimeout: 10,
  /** Keeps a fast line busy over 100 ms; bounds a thousand stalled tunnels to 2 GiB. */
  buffered: 1024 * 1024,
  /** lighttpd's `connect-timeout`. */
  connectTimeout: 8,
  /** lighttpd's `disable-time`. */
  disableTime: 1,
  /** Finds a dead backend although a tunnel may be silent for hours. */
  keepAlive: 60,
} as const;

/** The options checked and filled in, frozen. */
export interface Settings<Req extends IncomingMessage> {
  readonly matchesUrl: UrlMatcher;
  readonly server:
    readonly ResolvedHost[] | Extract<TunnelOptions<Req>['server'], CallableFunction> | undefined;
  readonly balance: BalanceStrategy<Req>;
  readonly frameType: 'binary' | 'text';
  readonly subprotocol: TunnelOptions<Req>['subprotocol'];
  readonly checkOrigin: OriginCheck<Req>;
  readonly needsOrigin: boolean;
  readonly addresses: AddressRules;
  readonly clientAddress: TunnelOptions<Req>['clientAddress'];
  readonly authenticate: TunnelOptions<Req>['authenticate'];
  readonly user: TunnelOptions<Req>['user'];
  readonly pingInterval: number;
  readonly pongTimeout: number;
  readonly handshakeTimeout: number;
  readonly closeTimeout: number;
  readonly idleTimeout: number;
  readonly maxDuration: number;
  readonly buffered: number;
  readonly refuseWith: 'http' | 'close';
  readonly onRefuse: TunnelOptions<Req>['onRefuse'];
  readonly debug: number;
  readonly autoAttach: boolean;
}

type Check = (value: unknown, name: string) => void;

// An option without its check does not compile. (Exported for the test of the README's tables.)
export const OPTIONS: Readonly<Record<keyof TunnelOptions, Check>> = {
  url: (value, name) => void readUrls(value, name),
  server: (value, name) => {
    if (typeof value !== 'function') readHosts(value, name);
  },
  balance: checkBalance,
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
  refuseWith: readOneOf(['http', 'close']),
  onRefuse: readFunction,
  limits: (value, name) => {
    readNames(value, name, { buffered: readNumber(64 * 1024, 1024 ** 3) }, ['total', 'perClient']);
  },
  debug: readNumber(0, 65535),
  autoAttach: readBoolean,
};

const OPTIONS_TO_COME = ['rules', 'mapExtensions', 'stickyKey'];

export const HOST: Readonly<Record<keyof Host, Check>> = {
  host: readText,
  port: readNumber(1, 65535),
  socket: readText,
  connectTimeout: readSeconds(0.001, 300),
  disableTime: readSeconds(0, 3600),
  readTimeout: readSeconds(0, 86_400),
  writeTimeout: readSeconds(0, 86_400),
  noDelay: readBoolean,
  keepAlive: readSeconds(0, 7200),
  localAddress: (value, name) => {
    if (typeof value !== 'string' || isIP(value) === 0) fail(name, 'must be an IP address', value);
  },
  lookup: readFunction,
};

const HOST_TO_COME = ['tls', 'maxTunnels', 'weight', 'backup', 'proxyProtocol', 'connect', 'spawn'];

/** Checks everything once; throws {@link TunnelError} WSTUNNEL_OPTION with the option, the value and the way out. */
export function readOptions<Req extends IncomingMessage>(options: TunnelOptions<Req>): Settings<Req> {
  readNames(options, 'options', OPTIONS, OPTIONS_TO_COME);
  if (options.refuseWith === 'close' && options.onRefuse)
    fail(
      'onRefuse',
      "can't answer under refuseWith: 'close', which answers with a Close; leave one out",
      options.onRefuse,
    );
  const { server, balance = 'fair', origins = 'same' } = options;
  return Object.freeze<Settings<Req>>({
    matchesUrl: options.url === undefined ? () => true : compileUrl(readUrls(options.url, 'url')),
    server: server === undefined || typeof server === 'function' ? server : readHosts(server, 'server'),
    balance: typeof balance === 'string' ? strategies[balance]() : balance,
    frameType: options.frameType ?? DEFAULTS.frameType,
    subprotocol: options.subprotocol,
    checkOrigin: compileOrigins<Req>(origins),
    needsOrigin: Array.isArray(origins),
    addresses: {
      allow: options.allow && readAddresses(options.allow, 'allow'),
      deny: options.deny && readAddresses(options.deny, 'deny'),
    },
    clientAddress: options.clientAddress,
    authenticate: options.authenticate,
    user: options.user,
    pingInterval: options.pingInterval ?? DEFAULTS.pingInterval,
    pongTimeout: options.pongTimeout ?? DEFAULTS.pongTimeout,
    handshakeTimeout: options.handshakeTimeout ?? DEFAULTS.handshakeTimeout,
    closeTimeout: options.closeTimeout ?? DEFAULTS.closeTimeout,
    idleTimeout: options.idleTimeout ?? 0,
    maxDuration: options.maxDuration ?? 0,
    buffered: options.limits?.buffered ?? DEFAULTS.buffered,
    refuseWith: options.refuseWith ?? 'http',
    onRefuse: options.onRefuse,
    debug: options.debug ?? 0,
    autoAttach: options.autoAttach ?? true,
  });
}

/** One host or a list, checked and filled in; also what a `server` function returned. */
export function readHosts(value: unknown, name: string): readonly ResolvedHost[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) fail(name, 'needs at least one host', value);
  const hosts = list.map((host, index) => readHost(host, Array.isArray(value) ? `${name}[${index}]` : name));
  return Object.freeze(hosts);
}

function readHost(value: unknown, name: string): ResolvedHost {
  if (isHostMap(value)) fail(name, 'as a map of path prefix or suffix to hosts is not supported yet', value);
  readNames(value, name, HOST, HOST_TO_COME);
  const host = value as Host;
  if (host.socket !== undefined) {
    if (host.host !== undefined || host.port !== undefined)
      fail(name, 'takes either socket or host and port, not both', value);
  } else if (host.port === undefined) {
    fail(name, 'needs a port (or a socket)', value);
  }
  return Object.freeze({
    ...host,
    connectTimeout: host.connectTimeout ?? DEFAULTS.connectTimeout,
    disableTime: host.disableTime ?? DEFAULTS.disableTime,
    readTimeout: host.readTimeout ?? 0,
    writeTimeout: host.writeTimeout ?? 0,
    noDelay: host.noDelay ?? true,
    keepAlive: host.keepAlive ?? DEFAULTS.keepAlive,
  });
}

/** lighttpd's `wstunnel.server`: keys that are "", path prefixes or suffixes. */
function isHostMap(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.keys(value).some((key) => key === '' || key.startsWith('/') || key.startsWith('.'));
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

function readAddresses(value: unknown, name: string): AddressRules['allow'] {
  if (!Array.isArray(value) || value.length === 0)
    fail(name, 'must list at least one address or CIDR range; leave it out to have no such list', value);
  const entries = value as unknown[];
  for (const entry of entries) {
    try {
      if (typeof entry !== 'string') throw new Error();
      compileAddresses([entry]);
    } catch {
      fail(name, 'must list IP addresses and CIDR ranges such as "192.0.2.0/24" or "2001:db8::/32"', entry);
    }
  }
  return compileAddresses(entries as string[]);
}

function checkBalance(value: unknown, name: string): void {
  if (typeof value === 'object' && value !== null) {
    const { pick, opened, closed } = value as Partial<BalanceStrategy>;
    if (typeof pick !== 'function') fail(name, 'as an object needs a pick() method', value);
    if (opened !== undefined) readFunction(opened, `${name}.opened`);
    if (closed !== undefined) readFunction(closed, `${name}.closed`);
    return;
  }
  if (value === 'hash' || value === 'sticky') fail(name, 'by this strategy is not supported yet', value);
  readOneOf(Object.keys(strategies))(value, name);
}

function checkOrigins(value: unknown, name: string): void {
  if (value === 'same' || value === '*' || typeof value === 'function') return;
  if (!Array.isArray(value)) fail(name, 'must be "same", "*", a list of origins or a function', value);
  const entries = value as unknown[];
  if (entries.length === 0) fail(name, 'needs at least one origin, or "same"', value);
  for (const entry of entries) {
    if (entry instanceof RegExp) readRegExp(entry, name);
    else if (typeof entry !== 'string' || !compileOrigin(entry))
      fail(
        name,
        'lists origins such as "https://a.example", "a.example:8443", "*.a.example" or RegExps',
        entry,
      );
  }
}

function compileOrigins<Req extends IncomingMessage>(
  origins: NonNullable<TunnelOptions<Req>['origins']>,
): OriginCheck<Req> {
  if (origins === 'same') return isSameOrigin;
  if (origins === '*') return () => true;
  if (typeof origins === 'function') return origins;
  const tests = origins.map((entry) => (typeof entry === 'string' ? compileOrigin(entry) : entry));
  return (origin = '') => {
    const page = parseOrigin(origin);
    return tests.some((test) =>
      test instanceof RegExp ? test.test(origin) : page !== undefined && test?.(page) === true,
    );
  };
}

import { usageError, type Args, type OptionSpec, type OptionSpecs } from '../../command-line/args.js';
import type { ListenArgs, LISTEN_FLAGS, ListenFlag } from './listen-flags.js';

/** An option of websockify with a different name here, or without a counterpart. */
interface WebsockifyFlag extends OptionSpec {
  readonly hidden: true;
  /** The name of the same option here. */
  readonly as?: ListenFlag;
  /** For an option without a counterpart: what to do instead. */
  readonly answer?: string;
}

/**
 * The options of websockify (0.10 to the master branch of 2025) that are not in {@link LISTEN_FLAGS}. Each option is translated, or
 * rejected with advice. A test compares the options with the help of the real program, and with the table "From websockify" in the
 * README.
 */
const WEBSOCKIFY_FLAGS = {
  heartbeat: { hidden: true, value: 'INTERVAL', as: 'ping' },
  'target-config': { hidden: true, value: 'FILE', as: 'tokens' },
  'unix-listen': { hidden: true, value: 'FILE', as: 'unix' },
  'unix-listen-mode': { hidden: true, value: 'MODE', as: 'unix-mode' },
  'log-file': { hidden: true, value: 'FILE', as: 'log' },
  // Translated by readWebsockify.
  'unix-target': { hidden: true, value: 'FILE' },
  'ssl-target': { hidden: true },
  'token-plugin': { hidden: true, value: 'CLASS' },
  'token-source': { hidden: true, value: 'ARG' },
  'auth-plugin': { hidden: true, value: 'CLASS' },
  'auth-source': { hidden: true, value: 'ARG' },
  'web-auth': { hidden: true },
  'verify-client': { hidden: true },
  cafile: { hidden: true, value: 'FILE' },
  'ssl-version': { hidden: true, value: 'VERSION' },
  // Accepted without effect, since the behaviour is the default here.
  'file-only': { hidden: true },
  libserver: { hidden: true },
  // Rejected with advice.
  'ssl-ciphers': {
    hidden: true,
    value: 'LIST',
    answer: "set them in Node: NODE_OPTIONS='--tls-cipher-list=...' express-wstunnel --cert FILE",
  },
  'key-password': {
    hidden: true,
    value: 'PASSWORD',
    answer: 'every user can read a command line: decrypt the key for --key with openssl pkey -in KEY',
  },
  inetd: {
    hidden: true,
    answer: 'use socket activation: --listen fd:3 accepts the connections of a socket that systemd opened',
  },
  'wrap-mode': {
    hidden: true,
    value: 'MODE',
    answer: 'use "spawn" in a file for --config, which starts a program and restarts it',
  },
  'prefer-ipv6': {
    hidden: true,
    short: '6',
    answer: "listen on IPv6 with --listen '[::]:6080', or '[::1]:6080' for this machine alone",
  },
  'host-token': {
    hidden: true,
    answer:
      'use --token-from host, where the token is the first label of the name, or choose the target by Host with "rules" and "when": { "host": ... } in a file for --config',
  },
  traffic: {
    hidden: true,
    answer: 'use --verbose for each tunnel and its bytes, DEBUG=wstunnel:* for details',
  },
} as const satisfies Readonly<Record<string, WebsockifyFlag>>;

type ForeignName = keyof typeof WEBSOCKIFY_FLAGS;
type Both = Args<typeof LISTEN_FLAGS & typeof WEBSOCKIFY_FLAGS>;

/** websockify's plugins, with the source as an argument of `--tokens`, or the advice for a plugin that needs more than websockify's argument. */
const TOKEN_PLUGINS: Readonly<Record<string, (source: string) => string>> = {
  TokenFile: plainPath,
  // Changes are read too, which makes no difference for a file that never changes.
  ReadOnlyTokenFile: plainPath,
  TokenFileName: (source) => `folder:${source}`,
  UnixDomainSocketDirectory: (source) => `sockets:${source}`,
  BaseTokenAPI: (source) => source,
  JSONTokenApi: (source) => source,
  TokenRedis: redisSource,
  JWTTokenApi: () => {
    const what = "--tokens 'jwt:KEY?algorithms=RS256&audience=NAME' --token-targets LIST";
    throw unsupported(
      'token-plugin JWTTokenApi',
      `use ${what}, which says how a token is checked and where it may lead`,
    );
  },
};

/** Prevents that a path is read as another kind of source. */
function plainPath(source: string): string {
  return /^\w+:/.test(source) ? `./${source}` : source;
}

/** websockify's `host[:port[:db[:password[:namespace]]]]`. The prefix of its keys is the namespace and a colon. */
function redisSource(source: string): string {
  const [host = '', port = '', database = '', password = '', ...rest] = source.split(':');
  if (password !== '')
    throw unsupported(
      'token-source with a password',
      "every user can read a command line: use --tokens 'redis://HOST:PORT/DB?prefix=NAME:&password-file=FILE'",
    );
  const namespace = rest.join(':').replace(/^"(.*)"$/, '$1');
  const prefix = namespace === '' || namespace.endsWith(':') ? namespace : `${namespace}:`;
  return `redis://${host}:${port === '' ? 6379 : port}/${database}?prefix=${encodeURIComponent(prefix)}`;
}

/** Values of our options, translated from websockify's. */
interface OwnFlags {
  readonly values: Map<ListenFlag, string>;
  positionals: string[];
}

/** Translates a command line into our options. @throws {CommandError} with advice, for an option without a counterpart */
export function readWebsockify(args: Both): ListenArgs {
  const found: OwnFlags = { values: new Map(), positionals: [...args.positionals] };
  for (const [name, spec] of Object.entries(WEBSOCKIFY_FLAGS) as [ForeignName, WebsockifyFlag][]) {
    if (!args.has(name)) continue;
    if (spec.answer !== undefined) throw unsupported(name, spec.answer);
    if (spec.as !== undefined) translate(args, found, name, spec.as, args.text(name) ?? '');
  }
  readTokens(args, found);
  readLogin(args, found);
  readTls(args, found);
  const { values, positionals } = found;
  return {
    positionals,
    text: (name) => values.get(name) ?? args.text(name),
    list: (name) => {
      const value = values.get(name);
      return value === undefined ? args.list(name) : [value];
    },
    has: (name) => values.has(name) || args.has(name),
  };
}

/** Rejects a program after `--`: websockify would wrap the program. @throws {CommandError} */
export function checkWraps(
  args: readonly string[],
  positionalsOf: (args: readonly string[]) => readonly string[],
): void {
  const end = args.indexOf('--');
  if (end > 0 && end < args.length - 1 && positionalsOf(args.slice(0, end)).length > 0)
    throw unsupported('', 'use "spawn" in a file for --config, which starts a program and restarts it');
}

function unsupported(name: string, answer: string): Error {
  return usageError(`websockify's ${name === '' ? '-- COMMAND' : `--${name}`} is not supported: ${answer}`);
}

function translate(args: Both, { values }: OwnFlags, name: ForeignName, as: ListenFlag, value: string): void {
  if (args.has(as) || values.has(as))
    throw usageError(`--${name} is another name of --${as}: give only one of them`);
  values.set(as, value);
}

function readTokens(args: Both, found: OwnFlags): void {
  const plugin = pluginOf(args.text('token-plugin'));
  const source = args.text('token-source');
  if (plugin === undefined) {
    if (source !== undefined) throw usageError('--token-source needs --token-plugin; or give --tokens FILE');
    return;
  }
  const translated = Object.hasOwn(TOKEN_PLUGINS, plugin) ? TOKEN_PLUGINS[plugin] : undefined;
  if (!translated)
    throw unsupported(
      `token-plugin ${plugin}`,
      'a plugin is a program: use the middleware in an app, with tokenServer() and a function as the source',
    );
  if (source === undefined) throw usageError('--token-plugin needs --token-source, or give --tokens FILE');
  translate(args, found, 'token-source', 'tokens', translated(source));
}

function readLogin(args: Both, found: OwnFlags): void {
  const plugin = pluginOf(args.text('auth-plugin'));
  const source = args.text('auth-source');
  if (plugin === 'ExpectOrigin' && source !== undefined)
    translate(args, found, 'auth-source', 'origin', source.trim().split(/\s+/).join(','));
  else if (plugin === 'BasicHTTPAuth')
    throw unsupported(
      'auth-plugin BasicHTTPAuth',
      'use --auth USER:FILE, which reads the password from a file: every user can read a command line',
    );
  else if (plugin === 'ClientCertCNAuth')
    throw unsupported(
      'auth-plugin ClientCertCNAuth',
      'use --client-ca FILE, which accepts only clients with a certificate of that authority',
    );
  else if (plugin !== undefined)
    throw unsupported(
      `auth-plugin ${plugin}`,
      'use --auth FILE for a login; for any other check use the middleware in an app',
    );
  else if (source !== undefined)
    throw usageError('--auth-source needs --auth-plugin; or give --auth [USER:]FILE');
  if (args.has('web-auth') && !args.has('auth') && plugin !== 'ExpectOrigin')
    throw usageError('--web-auth needs --auth [USER:]FILE, which protects the page as well');
}

function readTls(args: Both, found: OwnFlags): void {
  const { positionals } = found;
  const path = args.text('unix-target');
  if (path !== undefined) positionals.push(`unix:${path}`);
  if (args.has('ssl-target')) {
    const target = positionals.pop();
    if (target === undefined || /^(unix:|tls:|\/)/.test(target))
      throw usageError('--ssl-target needs a target HOST:PORT');
    positionals.push(`tls:${target}`);
  }
  const ca = args.text('cafile');
  if (args.has('verify-client') !== (ca !== undefined))
    throw usageError('--verify-client and --cafile FILE need each other; --client-ca FILE replaces both');
  if (ca !== undefined) translate(args, found, 'cafile', 'client-ca', ca);
  const version = args.text('ssl-version');
  if (version !== undefined && version !== 'default')
    throw unsupported(
      'ssl-version',
      `set it in Node: NODE_OPTIONS=--tls-min-v1.${version.slice(-1)} express-wstunnel --cert FILE`,
    );
}

/** The plugin's class, without the name of websockify's module. */
function pluginOf(text: string | undefined): string | undefined {
  return text?.replace(/^websockify\.(?:token|auth)_plugins\./, '');
}

/** Our options and websockify's, for `readArgs`. */
export function withWebsockify<const Own extends OptionSpecs>(own: Own): Own & typeof WEBSOCKIFY_FLAGS {
  return { ...own, ...WEBSOCKIFY_FLAGS };
}

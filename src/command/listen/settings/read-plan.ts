import { resolve } from 'node:path';
import { hideLogin } from '../../../helpers/hide-login.js';
import { readNumber, readSeconds } from '../../../options/checks.js';
import { readHosts } from '../../../options/hosts.js';
import type { Host } from '../../../types.js';
import {
  isLoopback,
  parseTarget,
  shownAddress,
  requireListenAddress,
  type ListenAddress,
} from '../../command-line/addresses.js';
import { usageError } from '../../command-line/args.js';
import { LONGEST_DRAIN } from '../../drain.js';
import type { Config } from './config.js';
import { readConfig } from './read-config.js';
import { CONNECTIONS_CEILING } from '../server/connection-limit.js';
import type { AutoExitOptions } from '../auto-exit.js';
import { FRAME_RULE, isFrameSource } from '../site/frame-headers.js';
import { isHostName, NAME_RULE } from '../origins/server-names.js';
import type { ListenArgs, ListenFlag } from './listen-flags.js';
import { requireClientAddresses } from './client-addresses.js';
import { INDEX, parseLoginFile, type Plan, type MiddlewareOptions } from '../plan.js';
import { checkOption, listOf, secondsOf, TUNNEL_FLAGS, tunnelOf } from './tunnel-flags.js';
import { GROUP_RULE, MODE_RULE, readGroup, readMode } from '../server/unix-access.js';
import { isUserName, readUserName, USER_RULE, type UserName } from '../user/process-user.js';

/** Where noVNC and websockify are usually found; on loopback, so that who forgets to think about it is safe. */
const DEFAULT_LISTEN: ListenAddress = { host: '127.0.0.1', port: 6080 };

/** Seconds: less than what a timer of Node's can take (24 days). */
const MAX_LIFE = 2_000_000;

/**
 * The command line and its configuration file; the line counts where both say something. Read anew at each SIGHUP. `isForAll`: a bare
 * port is every address, as websockify has it.
 */
export function readPlan(args: ListenArgs, isForAll = false): Plan {
  const file = args.text('config');
  if (file === undefined && args.has('ignore'))
    throw usageError('--ignore needs --config with a lighttpd.conf');
  const config = file === undefined ? undefined : readConfig(file, args.list('ignore'));
  const { addresses, targets } = readPositionals(args);
  if (config?.isLighttpd === true) checkAgainstLighttpd(args, targets);
  const listen = listenOf(args, addresses, config, isForAll);
  checkNotItself(targets, listen);
  const unix = unixOf(args, listen) ?? config?.unix;
  const drain = secondsOption(args, 'drain', LONGEST_DRAIN) ?? config?.drain;
  const tokens = pathOf(args, 'tokens') ?? config?.tokens;
  const tunnel = { ...config?.tunnel, ...tunnelOf(args), ...(targets.length > 0 && { server: targets }) };
  checkTargets(tokens, tunnel, config);
  const web = webOf(args, config);
  const tls = tlsOf(args, config);
  const trustProxy = args.has('trust-proxy') ? listOf(args.list('trust-proxy')) : config?.trustProxy;
  const log = pathOf(args, 'log') ?? config?.log;
  const maxConnections = maxConnectionsOf(args) ?? config?.maxConnections;
  const user = userOf(args) ?? config?.user;
  const plan: Plan = {
    listen,
    ...(unix && { unix }),
    ...(drain !== undefined && { drain }),
    tunnel,
    target: shownTarget(targets, tokens, file),
    ...(web && { web }),
    ...(tls && { tls }),
    auth: args.has('auth')
      ? args.list('auth').map((text) => parseLoginFile(text, process.cwd()))
      : (config?.auth ?? []),
    ...(tokens !== undefined && { tokens }),
    names: checkedList(args, 'name', isHostName, NAME_RULE) ?? config?.names ?? [],
    frame: checkedList(args, 'frame', isFrameSource, FRAME_RULE) ?? config?.frame ?? [],
    ...(trustProxy !== undefined && { trustProxy }),
    acceptProxy: args.has('accept-proxy') || config?.acceptProxy === true,
    ...(maxConnections !== undefined && { maxConnections }),
    ...(log !== undefined && { log }),
    ...(file !== undefined && { config: resolve(file) }),
    verbose: args.has('verbose') || config?.verbose === true,
    sslOnly: args.has('ssl-only'),
    autoExit: endingOf(args),
    ...recordOf(args, targets, tokens),
    ...syslogOf(args),
    isLighttpd: config?.isLighttpd === true,
    ...(user && { user }),
    ...(config?.pages && { pages: config.pages }),
    leftOut: config?.leftOut ?? [],
    privateFiles: config?.privateFiles ?? [],
    included: config?.included ?? [],
  };
  requireClientAddresses(plan);
  return plan;
}

/**
 * As websockify has it, the first of two is where to listen, and so is a single one beside `--tokens`; with `--listen` or `--unix` all
 * are targets.
 */
function readPositionals(args: ListenArgs): { addresses: string[]; targets: Host[] } {
  const isSaid = args.has('listen') || args.has('unix');
  const [first = '', ...rest] = args.positionals;
  const isAddressFirst = !isSaid && first !== '' && (rest.length > 0 || args.has('tokens'));
  const targets = (isAddressFirst ? rest : args.positionals).map((text) => {
    const host = parseTarget(text);
    if (!host)
      throw usageError(
        `"${hideLogin(text)}" is not a target: give HOST:PORT, PORT, unix:PATH or tls:HOST:PORT`,
      );
    return host;
  });
  if (targets.length > 0) checkOption(() => readHosts(targets, 'TARGET'));
  return { addresses: isAddressFirst ? [first] : [], targets };
}

/** Every tunnel would lead to the page. */
function checkNotItself(targets: readonly Host[], listen: readonly ListenAddress[]): void {
  const own = targets.find(
    ({ host = '', port }) =>
      isLoopback({ host }) &&
      listen.some((one) => one.port === port && (one.host === undefined || isLoopback({ host: one.host }))),
  );
  if (own)
    throw usageError(
      `${shownAddress(own)} is an address that this command listens on, so it can't be the target: give PORT TARGET, such as 6080 127.0.0.1:5900`,
    );
}

/** The recorded connection is made for one target: there is no choice among several. */
function recordOf(
  args: ListenArgs,
  targets: readonly Host[],
  tokens: string | undefined,
): Pick<Plan, 'record'> {
  const record = pathOf(args, 'record');
  if (record === undefined) return {};
  if (targets.length !== 1 && tokens === undefined)
    throw usageError('--record needs exactly one TARGET on the command line, or --tokens');
  return { record };
}

function syslogOf(args: ListenArgs): Pick<Plan, 'syslog'> {
  const text = args.text('syslog');
  if (text === undefined && args.has('legacy-syslog')) throw usageError('--legacy-syslog needs --syslog');
  if (text === undefined) return {};
  const server = text.includes(':') ? text : resolve(text);
  return { syslog: { server, isLegacy: args.has('legacy-syslog') } };
}

function endingOf(args: ListenArgs): AutoExitOptions {
  const timeout = secondsOption(args, 'timeout', MAX_LIFE);
  const idleTimeout = secondsOption(args, 'idle-timeout', MAX_LIFE);
  return {
    ...(timeout !== undefined && { timeout }),
    ...(idleTimeout !== undefined && { idleTimeout }),
    runOnce: args.has('run-once'),
  };
}

function listenOf(
  args: ListenArgs,
  addresses: readonly string[],
  config: Config | undefined,
  isForAll: boolean,
): ListenAddress[] {
  const socket = pathOf(args, 'unix');
  // Before it is a path.
  if (socket !== undefined) requireListenAddress(`unix:${args.text('unix') ?? ''}`);
  const texts = [...args.list('listen'), ...addresses];
  const given = texts.map((text) => requireListenAddress(isForAll && /^\d+$/.test(text) ? `:${text}` : text));
  const all = [...given, ...(socket === undefined ? [] : [{ socket }])];
  if (all.length > 0) return all;
  return config && config.listen.length > 0 ? [...config.listen] : [DEFAULT_LISTEN];
}

function unixOf(args: ListenArgs, listen: readonly ListenAddress[]): Plan['unix'] {
  const modeText = args.text('unix-mode');
  const groupText = args.text('unix-group');
  if (modeText === undefined && groupText === undefined) return undefined;
  if (!listen.some(({ socket }) => socket !== undefined))
    throw usageError(`--unix-${modeText === undefined ? 'group' : 'mode'} needs --unix`);
  const mode = modeText === undefined ? undefined : readMode(modeText);
  if (modeText !== undefined && mode === undefined)
    throw usageError(`--unix-mode ${MODE_RULE}; got "${modeText}"`);
  const group = groupText === undefined ? undefined : readGroup(groupText);
  if (groupText !== undefined && group === undefined)
    throw usageError(`--unix-group ${GROUP_RULE}; got "${groupText}"`);
  return { ...(mode !== undefined && { mode }), ...(group !== undefined && { group }) };
}

function checkTargets(
  tokens: string | undefined,
  { server, rules }: MiddlewareOptions,
  config?: Config,
): void {
  if (tokens !== undefined && server !== undefined)
    throw usageError('give either a TARGET or --tokens, not both');
  const isInRules = config !== undefined && (rules !== undefined || config.isLighttpd);
  if (tokens === undefined && server === undefined && !isInRules)
    throw usageError(
      config ? 'the configuration names no server: give a TARGET' : 'give a TARGET, such as 127.0.0.1:5900',
    );
}

/** There conditions say who may go where: an option beside them would hold for some requests and not for others. */
function checkAgainstLighttpd(args: ListenArgs, targets: readonly Host[]): void {
  const beside = [...Object.keys(TUNNEL_FLAGS), 'tokens'].find((name) => args.has(name as ListenFlag));
  const what = targets.length > 0 ? 'a TARGET' : beside === undefined ? undefined : `--${beside}`;
  if (what !== undefined) throw usageError(`${what} can't be combined with a lighttpd.conf: set it there`);
}

function webOf(args: ListenArgs, config: Config | undefined): Plan['web'] {
  const folder = pathOf(args, 'web');
  return folder === undefined ? config?.web : { folder, index: INDEX, by: '--web' };
}

function userOf(args: ListenArgs): UserName | undefined {
  const text = args.text('user');
  if (text === undefined) return undefined;
  if (!isUserName(text)) throw usageError(`--user ${USER_RULE}; got "${text}"`);
  return readUserName(text);
}

function tlsOf(args: ListenArgs, config: Config | undefined): Plan['tls'] {
  const cert = pathOf(args, 'cert') ?? config?.cert;
  const key = pathOf(args, 'key') ?? (args.has('cert') ? undefined : config?.key);
  const clientCa = pathOf(args, 'client-ca') ?? config?.clientCa;
  if (cert !== undefined)
    return { cert, ...(key !== undefined && { key }), ...(clientCa !== undefined && { clientCa }) };
  const needing =
    key !== undefined
      ? '--key'
      : clientCa !== undefined
        ? '--client-ca'
        : args.has('ssl-only')
          ? '--ssl-only'
          : '';
  if (needing !== '') throw usageError(`${needing} needs --cert`);
  return undefined;
}

function shownTarget(targets: readonly Host[], tokens: string | undefined, file: string | undefined): string {
  const names = targets.map((host) => `${host.tls ? 'tls:' : ''}${shownAddress(host)}`);
  return names.join(', ') || (tokens ?? file ?? '');
}

/** The values of an option that may be repeated; undefined where it is not given. */
function checkedList(
  args: ListenArgs,
  name: ListenFlag,
  isValid: (text: string) => boolean,
  rule: string,
): readonly string[] | undefined {
  if (!args.has(name)) return undefined;
  const values = listOf(args.list(name));
  const wrong = values.find((one) => !isValid(one));
  if (wrong !== undefined) throw usageError(`--${name} ${rule}; got "${hideLogin(wrong)}"`);
  return values;
}

function maxConnectionsOf(args: ListenArgs): number | undefined {
  const text = args.text('max-connections');
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : text;
  checkOption(() => readNumber(1, CONNECTIONS_CEILING)(value, '--max-connections'));
  return Number(text);
}

function secondsOption(args: ListenArgs, name: ListenFlag, most: number): number | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  checkOption(() => readSeconds(0, most)(secondsOf([text]), `--${name}`));
  return Number(text);
}

/** A file named on the command line, as it can still be opened when the folder is another one. */
function pathOf(args: ListenArgs, name: ListenFlag): string | undefined {
  const text = args.text(name);
  return text === undefined || text === '-' ? text : resolve(text);
}

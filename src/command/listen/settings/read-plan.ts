import { resolve } from 'node:path';
import type { Host } from '../../../types.js';
import { seconds } from '../../../options/checks/basic.js';
import { usageError } from '../../command-line/args.js';
import { checkNotItself, listenOf, readPositionals, shownTarget, unixOf } from './addresses-and-targets.js';
import type { Config } from './config.js';
import { drainOf } from './drain-settings.js';
import { checkedList, maxConnectionsOf, fileOption, secondsOption, workersOf } from './flag-values.js';
import { checkHealth, healthOf } from './health-address.js';
import { readConfig } from './read-config.js';
import type { AutoExitOptions } from '../auto-exit.js';
import { FRAME_RULE, isFrameSource } from '../site/frame-headers.js';
import { webFolder } from '../site/novnc/folder.js';
import { novncOf } from '../site/novnc/settings.js';
import { isHostName, NAME_RULE } from '../origins/server-names.js';
import type { ListenArgs, ListenFlag } from './listen-flags.js';
import { requireClientAddresses } from './client-addresses.js';
import { INDEX, isDocumentRoot, parseLoginFile, type Plan, type MiddlewareOptions } from '../plan.js';
import { tokensOf, type TokenSettings } from './token-settings.js';
import { listOf, TUNNEL_FLAGS, tunnelOf } from './tunnel-flags.js';
import { recordOf } from './record-settings.js';
import { sharedOf } from './shared-settings.js';
import { requireShareable } from './workers.js';
import { isUserName, readUserName, USER_RULE, type UserName } from '../user/process-user.js';

/** Upper limit of `--timeout` and `--idle-timeout`, in seconds: below the maximum of Node's timers (24 days). */
const MAX_LIFE = 2_000_000;

/**
 * Reads the command line and its configuration file, at the start and at each SIGHUP. Command-line options win. `isForAll`: a bare port
 * listens on every address, as in websockify.
 *
 * @throws {CommandError}
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
  const health = healthOf(args, 'health') ?? config?.health;
  const metrics = healthOf(args, 'metrics') ?? config?.metrics;
  const tokens = tokensOf(args, config?.tokens);
  const tunnel = { ...config?.tunnel, ...tunnelOf(args), ...(targets.length > 0 && { server: targets }) };
  checkTargets(tokens, tunnel, config);
  const web = webOf(args, config);
  const novnc = novncFor(args, config, web);
  const tls = tlsOf(args, config);
  const trustProxy = args.has('trust-proxy') ? listOf(args.list('trust-proxy')) : config?.trustProxy;
  const log = fileOption(args, 'log') ?? config?.log;
  const maxConnections = maxConnectionsOf(args) ?? config?.maxConnections;
  const workers = workersOf(args) ?? config?.workers;
  const shared = sharedOf(args, config?.shared);
  const record = recordOf(args, config?.record);
  const user = userOf(args) ?? config?.user;
  const plan: Plan = {
    listen,
    ...(unix && { unix }),
    ...drainOf(args, config),
    ...(health && { health }),
    ...(metrics && { metrics }),
    tunnel,
    target: shownTarget(targets, tokens, file),
    ...(web && { web }),
    ...(novnc && { novnc }),
    ...(tls && { tls }),
    auth: args.has('auth')
      ? args.list('auth').map((text) => parseLoginFile(text, process.cwd()))
      : (config?.auth ?? []),
    ...(tokens && { tokens }),
    names: checkedList(args, 'name', isHostName, NAME_RULE) ?? config?.names ?? [],
    frame: checkedList(args, 'frame', isFrameSource, FRAME_RULE) ?? config?.frame ?? [],
    ...(trustProxy !== undefined && { trustProxy }),
    acceptProxy: args.has('accept-proxy') || config?.acceptProxy === true,
    ...(maxConnections !== undefined && { maxConnections }),
    ...(workers !== undefined && { workers }),
    ...(shared && { shared }),
    ...(log !== undefined && { log }),
    ...(file !== undefined && { config: resolve(file) }),
    verbose: args.has('verbose') || config?.verbose === true,
    sslOnly: args.has('ssl-only'),
    autoExit: endingOf(args),
    ...(record && { record }),
    ...syslogOf(args),
    isLighttpd: config?.isLighttpd === true,
    ...(user && { user }),
    ...(config?.pages && { pages: config.pages }),
    leftOut: config?.leftOut ?? [],
    privateFiles: config?.privateFiles ?? [],
    included: config?.included ?? [],
  };
  checkHealth(plan);
  requireClientAddresses(plan);
  requireShareable(plan);
  return plan;
}

function syslogOf(args: ListenArgs): Pick<Plan, 'syslog'> {
  const text = args.text('syslog');
  if (text === undefined && args.has('legacy-syslog')) throw usageError('--legacy-syslog needs --syslog');
  if (text === undefined) return {};
  const server = text.includes(':') ? text : resolve(text);
  return { syslog: { server, isLegacy: args.has('legacy-syslog') } };
}

function endingOf(args: ListenArgs): AutoExitOptions {
  const timeout = secondsOption(args, 'timeout', seconds(0, MAX_LIFE));
  const idleTimeout = secondsOption(args, 'idle-timeout', seconds(0, MAX_LIFE));
  return {
    ...(timeout !== undefined && { timeout }),
    ...(idleTimeout !== undefined && { idleTimeout }),
    runOnce: args.has('run-once'),
  };
}

function checkTargets(
  tokens: TokenSettings | undefined,
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

/** In a lighttpd.conf, conditions set the tunnel options: command-line options would apply only to some requests. */
function checkAgainstLighttpd(args: ListenArgs, targets: readonly Host[]): void {
  // No directive is equal to --revalidate, which belongs to --auth.
  const flags = [...Object.keys(TUNNEL_FLAGS), 'tokens', 'token-from', 'token-targets'].filter(
    (name) => name !== 'revalidate',
  );
  const beside = flags.find((name) => args.has(name as ListenFlag));
  const what = targets.length > 0 ? 'a TARGET' : beside === undefined ? undefined : `--${beside}`;
  if (what !== undefined) throw usageError(`${what} can't be combined with a lighttpd.conf: set it there`);
}

function webOf(args: ListenArgs, config: Config | undefined): Plan['web'] {
  const text = args.text('web');
  if (text === undefined) return config?.web;
  return { folder: webFolder(text, process.cwd(), '--web'), index: INDEX, by: '--web' };
}

function novncFor(args: ListenArgs, config: Config | undefined, web: Plan['web']): Plan['novnc'] {
  const given = novncOf(args);
  if (!given && !config?.novnc) return undefined;
  if (!web || isDocumentRoot(web)) throw usageError('--novnc needs --web with the folder of noVNC');
  return { ...config?.novnc, ...given };
}

function userOf(args: ListenArgs): UserName | undefined {
  const text = args.text('user');
  if (text === undefined) return undefined;
  if (!isUserName(text)) throw usageError(`--user ${USER_RULE}; got "${text}"`);
  return readUserName(text);
}

function tlsOf(args: ListenArgs, config: Config | undefined): Plan['tls'] {
  const cert = fileOption(args, 'cert') ?? config?.cert;
  const key = fileOption(args, 'key') ?? (args.has('cert') ? undefined : config?.key);
  const clientCa = fileOption(args, 'client-ca') ?? config?.clientCa;
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

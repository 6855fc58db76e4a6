import type { Host, Rule, RuleOptions } from '../../../types.js';
import { isLoopback, shownAddress } from '../../command-line/addresses.js';
import { foldersOf, type Plan } from '../plan.js';
import { privateFilesOf, privateFilesIn } from '../site/private-files.js';

/** What somebody may not have meant who lets others reach the servers. */
export function startupWarnings(plan: Plan, pid = process.pid, uid = process.getuid?.()): string[] {
  const { listen, auth, tls } = plan;
  const open = listen.find((address) => !isLoopback(address));
  const isOpen = open !== undefined && !isGuarded(plan);
  return [
    ...(isOpen ? [openTo(shownAddress(open), plan)] : []),
    ...(open && auth.length > 0 && !tls
      ? ['passwords and bytes can be read on the way; --cert makes it https']
      : []),
    ...everySiteOf(plan),
    ...(isOpen ? [] : unguardedOf(plan)),
    ...rootOf(plan, uid),
    ...zombiesOf(plan, pid),
    ...servedSecretsOf(plan),
    ...(plan.record === undefined
      ? []
      : [
          `all that tunnels carry is written to ${plan.record}.1 and so on, with every password that is typed`,
        ]),
  ];
}

/** Does it ask who somebody is? An address says only where: every page that is open there may connect as well. */
function isGuarded({ auth, tokens, tls }: Plan): boolean {
  return auth.length > 0 || tokens !== undefined || tls?.clientCa !== undefined;
}

function openTo(address: string, plan: Plan): string {
  const { tunnel, isLighttpd, pages } = plan;
  if (isLighttpd) {
    const whom = pages?.refuses === true ? ' and is not refused by url.access-deny' : '';
    return `whoever reaches ${address}${whom} may open a tunnel; --auth shuts it${passedOver(plan)}`;
  }
  const whoever = tunnel.allow
    ? `whoever reaches ${address} from an address of --allow`
    : `whoever reaches ${address}`;
  const more = tunnel.allow ? '' : ' or --allow';
  return `${whoever} may open a tunnel; --auth or --tokens${more} shut it`;
}

/** A login of a lighttpd.conf that was passed over, with none in its place. */
function unguardedOf(plan: Plan): string[] {
  const isLogin = plan.leftOut.some(({ name, isIgnored }) => isIgnored && name.startsWith('auth.'));
  return isLogin && !isGuarded(plan) ? [`nobody is asked for a login: --auth would${passedOver(plan)}`] : [];
}

function rootOf({ isLighttpd, user }: Plan, uid: number | undefined): string[] {
  if (!isLighttpd || user || uid !== 0) return [];
  return ['it stays root: server.username, or --user, gives that up once it listens'];
}

/** Guards of a lighttpd.conf that do not hold here. */
function passedOver({ leftOut }: Plan): string {
  const guards = leftOut.filter(
    ({ name, isIgnored }) => isIgnored && /^(?:auth|url\.access-|secdownload|ssl\.verify)/.test(name),
  );
  const names = guards.map(({ name, place }) => `${name} of ${place}`);
  return names.length === 0 ? '' : ` (--ignore passes over ${names.join(', ')})`;
}

/** `null` is the origin of frames that any site can make. */
function everySiteOf(plan: Plan): string[] {
  const { tunnel, isLighttpd, config } = plan;
  const { origins } = tunnel;
  const isEverySite = origins === '*' || (Array.isArray(origins) && origins.includes('null'));
  if (!isEverySite || isGuarded(plan)) return [];
  const whom = 'pages of every site may open a tunnel in the browsers that reach this server';
  if (isLighttpd)
    return opensToEverySite(tunnel)
      ? [`${whom}: wstunnel.origins names the sites that may${passedOver(plan)}`]
      : [];
  const which = origins === '*' ? '*' : 'null';
  return [
    `${whom}: ${config === undefined ? '--origin' : '--origin, or "origins" of the configuration,'} has "${which}"`,
  ];
}

/** The kernel gives process 1 every orphan, and Node waits for its own children alone. */
function zombiesOf({ tunnel }: Plan, pid: number): string[] {
  if (pid !== 1 || !spawns(tunnel)) return [];
  return [
    'this is process 1, and starts programs: each leaves zombies behind, until no process can be started; ' +
      'start the container with an init (docker run --init, init: true, or tini)',
  ];
}

function spawns({ server, rules = [], else: otherwise }: Pick<Rule, 'server' | 'rules' | 'else'>): boolean {
  return (
    hostsOf(server).some(({ spawn }) => spawn !== undefined) ||
    [...rules, ...(otherwise ? [otherwise] : [])].some(spawns)
  );
}

/** A host, a list, or a map of hosts and lists. */
function hostsOf(server: unknown): Host[] {
  if (typeof server !== 'object' || server === null) return [];
  if (Array.isArray(server)) return server.flatMap(hostsOf);
  const inner = Object.values(server).filter((one) => typeof one === 'object');
  return 'spawn' in server ? [server as Host] : inner.flatMap(hostsOf);
}

/** Has some tunnel no list of origins? One that a condition sets holds where the condition does. */
function opensToEverySite(
  options: RuleOptions & Pick<Rule, 'rules' | 'else'>,
  before?: RuleOptions['origins'],
): boolean {
  const { origins = before, server, rules = [], else: otherwise } = options;
  if (server !== undefined && origins === '*') return true;
  // What an else says replaces what is before it.
  const isElseOpen = otherwise !== undefined && opensToEverySite(otherwise, before);
  return isElseOpen || rules.some((rule) => opensToEverySite(rule, origins));
}

function servedSecretsOf(plan: Plan): string[] {
  return foldersOf(plan).flatMap(({ folder, by }) =>
    privateFilesIn(folder, privateFilesOf(plan)).map(
      (file) => `${file} is in the folder that ${by} serves: it is not served; move it elsewhere`,
    ),
  );
}

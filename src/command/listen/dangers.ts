import { isLoopback, shownAddress } from '../address.js';
import type { Host, Rule } from '../../types.js';
import type { Plan } from './plan.js';
import { privateFiles, privateFilesIn } from './private-files.js';

/** What somebody may not have meant who lets others reach the servers. */
export function dangersOf(plan: Plan, pid = process.pid): string[] {
  const { listen, auth, tls, isLighttpd } = plan;
  const open = listen.find((address) => !isLoopback(address));
  const isOpen = open !== undefined && !isGuarded(plan) && !isLighttpd;
  return [
    ...(isOpen ? [openTo(shownAddress(open), plan)] : []),
    ...(open && auth.length > 0 && !tls
      ? ['passwords and bytes can be read on the way; --cert makes it https']
      : []),
    ...everySiteOf(plan),
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

function openTo(address: string, { tunnel }: Plan): string {
  const whoever = tunnel.allow
    ? `whoever reaches ${address} from an address of --allow`
    : `whoever reaches ${address}`;
  const more = tunnel.allow ? '' : ' or --allow';
  return `${whoever} may open a tunnel; --auth or --tokens${more} shut it`;
}

/** `null` is the origin of frames that any site can make. */
function everySiteOf(plan: Plan): string[] {
  const { origins } = plan.tunnel;
  const isEverySite = origins === '*' || (Array.isArray(origins) && origins.includes('null'));
  if (!isEverySite || plan.isLighttpd || isGuarded(plan)) return [];
  const which = origins === '*' ? '*' : 'null';
  return [
    `pages of every site may open a tunnel in the browsers that reach this server: --origin has "${which}"`,
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
    [...rules, ...[otherwise ?? []].flat()].some(spawns)
  );
}

/** A host, a list, or a map of hosts and lists. */
function hostsOf(server: unknown): Host[] {
  if (typeof server !== 'object' || server === null) return [];
  if (Array.isArray(server)) return server.flatMap(hostsOf);
  const inner = Object.values(server).filter((one) => typeof one === 'object');
  return 'spawn' in server ? [server as Host] : inner.flatMap(hostsOf);
}

function servedSecretsOf(plan: Plan): string[] {
  if (!plan.web) return [];
  const files = privateFilesIn(plan.web.folder, privateFiles(plan));
  return files.map(
    (file) => `${file} is in the folder that --web serves: it is not served; move it elsewhere`,
  );
}

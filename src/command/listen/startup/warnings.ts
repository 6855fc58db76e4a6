import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Rule, RuleOptions } from '../../../types.js';
import { isLoopback, shownAddress } from '../../command-line/bind-and-target.js';
import { foldersOf, isDocumentRoot, type Plan } from '../plan.js';
import { hostsOf } from '../settings/spawned-hosts.js';
import { privateFilesOf, privateFilesIn } from '../site/private-files.js';

/** Warnings about settings that are valid but dangerous, mostly on servers that other machines can reach. */
export function startupWarnings(plan: Plan, pid = process.pid, uid = process.getuid?.()): string[] {
  const { listen, auth, tls } = plan;
  const open = listen.find((address) => !isLoopback(address));
  const isOpen = open !== undefined && !isGuarded(plan);
  return [
    ...(isOpen ? [openTo(shownAddress(open), plan)] : []),
    ...(open && auth.length > 0 && !tls
      ? ['passwords and data are sent unencrypted; use https with --cert']
      : []),
    ...everySiteOf(plan),
    ...(isOpen ? [] : unguardedOf(plan)),
    ...rootOf(plan, uid),
    ...zombiesOf(plan, pid),
    ...servedSecretsOf(plan),
    ...missingPageOf(plan),
    ...recordedOf(plan),
  ];
}

/** Must clients prove their identity? `--allow` alone is no guard: every web page in a browser at an allowed address may connect. */
function isGuarded({ auth, tokens, tls }: Plan): boolean {
  // A client may send any Host header.
  const hasSecretTokens = tokens !== undefined && tokens.from !== 'host';
  return auth.length > 0 || hasSecretTokens || tls?.clientCa !== undefined;
}

function openTo(address: string, plan: Plan): string {
  const { tunnel, isLighttpd, pages } = plan;
  if (isLighttpd) {
    const except = pages?.refuses === true ? ', unless url.access-deny refuses it,' : '';
    return `every client that can reach ${address}${except} may open a tunnel; require a login with --auth${ignoredGuards(plan)}`;
  }
  const clients = `every client that can reach ${address}${tunnel.allow ? ' from an address of --allow' : ''}`;
  return `${clients} may open a tunnel; limit this with --auth${tunnel.allow ? '' : ', --allow'} or --tokens`;
}

/** Warns if the lighttpd.conf requires a login, `--ignore` skips the login, and no other guard replaces it. */
function unguardedOf(plan: Plan): string[] {
  const isLogin = plan.leftOut.some(({ name, isIgnored }) => isIgnored && name.startsWith('auth.'));
  return isLogin && !isGuarded(plan)
    ? [`no login is required; require one with --auth${ignoredGuards(plan)}`]
    : [];
}

function recordedOf({ record }: Plan): string[] {
  if (record?.direction !== 'both') return [];
  return [
    `everything that clients type, passwords too, is recorded in ${record.folder}: record only what clients receive with --record-direction out`,
  ];
}

function rootOf({ isLighttpd, user }: Plan, uid: number | undefined): string[] {
  if (!isLighttpd || user || uid !== 0) return [];
  return ['the process stays root: server.username, or --user, gives up root once it listens'];
}

/** The guards of the lighttpd.conf that `--ignore` skips. */
function ignoredGuards({ leftOut }: Plan): string {
  const guards = leftOut.filter(
    ({ name, isIgnored }) => isIgnored && /^(?:auth|url\.access-|secdownload|ssl\.verify)/.test(name),
  );
  const names = guards.map(({ name, place }) => `${name} of ${place}`);
  return names.length === 0 ? '' : ` (--ignore skips ${names.join(', ')})`;
}

/** Warns of `*` and `null`: `null` is the origin of sandboxed frames, which any site can create. */
function everySiteOf(plan: Plan): string[] {
  const { tunnel, isLighttpd, config } = plan;
  const { origins } = tunnel;
  const isEverySite = origins === '*' || (Array.isArray(origins) && origins.includes('null'));
  if (!isEverySite || isGuarded(plan)) return [];
  const problem = 'pages of every site may open tunnels from browsers that can reach this server';
  if (isLighttpd)
    return opensToEverySite(tunnel)
      ? [`${problem}: limit the sites with wstunnel.origins${ignoredGuards(plan)}`]
      : [];
  const which = origins === '*' ? '*' : 'null';
  return [
    `${problem}: ${config === undefined ? '--origin' : '--origin, or "origins" of the configuration,'} has "${which}"`,
  ];
}

/** For process 1: the kernel makes every orphan its child, but Node waits only for the children that it started. */
function zombiesOf({ tunnel }: Plan, pid: number): string[] {
  if (pid !== 1 || !spawns(tunnel)) return [];
  return [
    'this is process 1, and it starts programs: their orphans stay as zombies until no process can be started; ' +
      'run the container with an init (docker run --init, init: true, or tini)',
  ];
}

function spawns({ server, rules = [], else: otherwise }: Pick<Rule, 'server' | 'rules' | 'else'>): boolean {
  return (
    hostsOf(server).some(({ spawn }) => spawn !== undefined) ||
    [...rules, ...(otherwise ? [otherwise] : [])].some(spawns)
  );
}

/** Does some tunnel accept every origin? A list that a rule sets applies only if the rule's condition holds. */
function opensToEverySite(
  options: RuleOptions & Pick<Rule, 'rules' | 'else'>,
  before?: RuleOptions['origins'],
): boolean {
  const { origins = before, server, rules = [], else: otherwise } = options;
  if (server !== undefined && origins === '*') return true;
  // An `else` does not inherit from the rule before it.
  const isElseOpen = otherwise !== undefined && opensToEverySite(otherwise, before);
  return isElseOpen || rules.some((rule) => opensToEverySite(rule, origins));
}

function servedSecretsOf(plan: Plan): string[] {
  return foldersOf(plan).flatMap(({ folder, by }) =>
    privateFilesIn(folder, privateFilesOf(plan)).map(
      (file) =>
        `${file} is private, but in the folder that ${by} serves: it is answered with 404; move it elsewhere`,
    ),
  );
}

/** Most users expect a page at `/`. The package of npm has noVNC's modules, but no page. */
function missingPageOf({ web }: Plan): string[] {
  if (!web || isDocumentRoot(web) || hasPage(web.folder)) return [];
  const fix = isNpmNovnc(web.folder)
    ? 'the npm package @novnc/novnc has no page; give the folder of noVNC itself (Debian: apt install novnc; or a release of github.com/novnc/noVNC)'
    : 'give the folder that contains the page';
  return [`no ${web.index.join(' or ')} in ${web.folder}: / is answered with 404; ${fix}`];
}

/** A folder of pages without a page for `/` may be on purpose. A folder that can't be read is reported elsewhere. */
function hasPage(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => /\.html?$/i.test(name));
  } catch {
    return true;
  }
}

function isNpmNovnc(folder: string): boolean {
  try {
    return readFileSync(join(folder, 'package.json'), 'utf8').includes('"@novnc/novnc"');
  } catch {
    return false;
  }
}

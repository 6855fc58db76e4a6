import { urlMatcherOf } from '../../../../options/read-rules.js';
import { CompiledHostMap } from '../../../../routes/host-map.js';
import type { MiddlewareOptions, Plan } from '../../plan.js';
import type { NovncSettings } from './settings.js';

/** The settings of the page, in the three layers of their priority. */
export interface PageSettings {
  /** Derived from the other options. A setting of the operator's `defaults.json` wins. */
  readonly automatic: NovncSettings;
  /** Given with `--novnc`. These settings win over the operator's `defaults.json`. */
  readonly defaults: NovncSettings;
  /** Given with `--novnc`, and fixed: the user of the page can't change these settings. They win over the operator's `mandatory.json`. */
  readonly mandatory: NovncSettings;
}

type Settings = Pick<Plan, 'tunnel' | 'tokens' | 'novnc' | 'autoExit'>;

/** The default path of noVNC and websockify. */
const USUAL = '/websockify';

export function pageSettings(plan: Settings): PageSettings {
  const { view_only: viewOnly, ...defaults } = plan.novnc ?? {};
  const path = defaults.path ?? tunnelPath(plan.tunnel);
  return {
    automatic: {
      resize: 'scale',
      ...(path !== undefined && { path }),
      // Without a token in the link, or without the right path, the page would begin with an error.
      ...(path !== undefined && plan.tokens === undefined && { autoconnect: true }),
      ...(!endsOnPurpose(plan) && { reconnect: true }),
    },
    defaults,
    mandatory: viewOnly === undefined ? {} : { view_only: viewOnly },
  };
}

/**
 * The path of the tunnel, relative to a page in the root folder: a proxy in front may add a prefix that the command does not know.
 * Undefined if the settings do not give one path: with rules, with only a regular expression, or with several paths that lead to
 * different hosts.
 */
export function tunnelPath({
  url,
  server,
  mapExtensions,
  rules = [],
}: MiddlewareOptions): string | undefined {
  if (rules.length > 0) return undefined;
  const matchesUrl = urlMatcherOf(url);
  const keys = mapKeys(server);
  const map = keys && new CompiledHostMap(keys.map((key) => [key, true] as const));
  const isTunnel = (path: string) =>
    matchesUrl(path) && (map === undefined || map.hostsOf(path, mapExtensions) === true);
  const texts = [url ?? []].flat().filter((one) => typeof one === 'string');
  const named = new Set([...texts, ...(keys ?? []).filter((key) => key.startsWith('/'))].filter(isTunnel));
  const path = isTunnel(USUAL) ? USUAL : keys && named.size > 1 ? undefined : [...named][0];
  return path?.replace(/^\/+/, '');
}

/** The keys of a map of hosts; undefined for a host, a list or a function. */
function mapKeys(server: unknown): string[] | undefined {
  if (typeof server !== 'object' || server === null || Array.isArray(server)) return undefined;
  const keys = Object.keys(server);
  return keys.length > 0 && keys.every((key) => /^[/.]/.test(key)) ? keys : undefined;
}

/**
 * May an option end a working tunnel? A page that reconnects would open the tunnel again, repeat a login that is no longer valid, or
 * take the desktop back from the user's other page, again and again.
 */
function endsOnPurpose({ tunnel, autoExit }: Settings): boolean {
  const { idleTimeout = 0, maxDuration = 0, revalidate = 0, rules = [], server, vnc } = tunnel;
  return (
    idleTimeout > 0 ||
    maxDuration > 0 ||
    revalidate !== 0 ||
    (typeof vnc === 'object' && (vnc.inputIdleTimeout ?? 0) > 0) ||
    rules.length > 0 ||
    autoExit.runOnce ||
    takesOver(server)
  );
}

function takesOver(server: unknown): boolean {
  if (typeof server !== 'object' || server === null) return false;
  if ('onFull' in server && server.onFull === 'takeover') return true;
  return Object.values(server).some(takesOver);
}

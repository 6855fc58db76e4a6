import dns, { type LookupAddress } from 'node:dns';
import { isIP, type BlockList, type LookupFunction } from 'node:net';
import { posix } from 'node:path';
import { orAborted } from '../helpers/abort.js';
import { fail } from '../options/checks/fail.js';
import { OptionPath } from '../options/checks/option-path.js';
import { compileAddresses, isListed, normalizeAddress } from '../request/client-address.js';
import type { Host } from '../types.js';

/** A host that passed, or undefined for a host outside of the targets. */
type TargetCheck = (host: Host, signal: AbortSignal) => Promise<Host | undefined>;

/** One entry of `targets`. */
type Entry =
  | { readonly kind: 'socket'; readonly matches: (path: string) => boolean }
  | { readonly kind: 'name'; readonly matches: (name: string) => boolean; readonly ports: Ports }
  | { readonly kind: 'range'; readonly range: BlockList; readonly ports: Ports };
type Ports = readonly [first: number, last: number];

/** Letters of all scripts, since names may be international. */
const IS_NAME = /^[\p{L}\p{M}\p{N}._-]+$/u;

const RULE =
  'must list targets such as "desk.lan:5900", "*.lan:5900-5999", "10.0.0.0/8:5900", "[fd00::/8]:*", "*:5900" or "unix:/run/vnc/"';

/** Checks and compiles the option `targets`. */
export function readTargets(value: unknown, name: string): TargetCheck {
  if (value === '*') return (host) => Promise.resolve(host);
  if (!Array.isArray(value) || value.length === 0) fail(name, `${RULE}, or be "*"`, value);
  const entries = (value as unknown[]).map(
    (text, index) => readTargetEntry(text) ?? fail(OptionPath.of(name).item(index), RULE, text),
  );
  return (host, signal) => checkedHost(host, entries, signal);
}

/** Undefined for an invalid entry. */
export function readTargetEntry(text: unknown): Entry | undefined {
  if (typeof text !== 'string' || text.includes('\0')) return undefined;
  if (text.startsWith('unix:')) return socketEntry(text.slice('unix:'.length));
  const [, given = '', digits = ''] = /^(\[[^\]]*\]|[^:[\]]+):(\*|\d{1,5}(?:-\d{1,5})?)$/.exec(text) ?? [];
  const [first = 0, last = first] = digits === '*' ? [1, 65_535] : digits.split('-').map(Number);
  if (given === '' || first < 1 || last < first || last > 65_535) return undefined;
  const ports: Ports = [first, last];
  const name = plainName(given.replace(/^\[(.*)\]$/, '$1'));
  if (given === '*') return { kind: 'name', matches: () => true, ports };
  if (name.includes('/') || isIP(name) !== 0 || given.startsWith('['))
    try {
      return { kind: 'range', range: compileAddresses([name]), ports };
    } catch {
      return undefined;
    }
  const [, suffix] = /^\*(\.\w[\w.-]*)$/.exec(name) ?? [];
  if (suffix !== undefined)
    return { kind: 'name', matches: (one) => one.endsWith(suffix) && isIP(one) === 0, ports };
  return /^\w[\w.-]*$/.test(name) ? { kind: 'name', matches: (one) => one === name, ports } : undefined;
}

/** A path that ends with a slash stands for all sockets below this folder, at any depth. */
function socketEntry(path: string): Entry | undefined {
  if (path.startsWith('@')) return { kind: 'socket', matches: (one) => one === path };
  if (!path.startsWith('/') || posix.normalize(path) !== path) return undefined;
  const matches = path.endsWith('/')
    ? (one: string) => one.startsWith(path) && one !== path
    : (one: string) => one === path;
  return { kind: 'socket', matches };
}

async function checkedHost(
  host: Host,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<Host | undefined> {
  // Only the app's own code can make such a backend, but no entry of the list can name one.
  if (host.connect ?? host.spawn) return undefined;
  const path = host.socket ?? (host.host?.startsWith('/') === true ? host.host : undefined);
  if (path !== undefined) {
    if (path.includes('\0')) return undefined;
    const normal = path.startsWith('/') ? posix.normalize(path) : path;
    return entries.some((entry) => entry.kind === 'socket' && entry.matches(normal)) ? host : undefined;
  }
  const { given, port } = addressOf(host);
  const isAddress = isIP(given) !== 0;
  // The name server gets another name than the one compared here: C ends a text at NUL.
  if (!isAddress && !IS_NAME.test(given)) return undefined;
  const name = plainName(given);
  const fitting = entries.filter((entry) => entry.kind !== 'socket' && isWithin(port, entry.ports));
  if (fitting.some((entry) => entry.kind === 'name' && entry.matches(name))) return host;
  const ranges = fitting.flatMap((entry) => (entry.kind === 'range' ? [entry.range] : []));
  if (ranges.length === 0) return undefined;
  const isInside = (address: string) => {
    const plain = normalizeAddress(address);
    return ranges.some((range) => isListed(plain, range, false));
  };
  if (isAddress) return isInside(name) ? host : undefined;
  return resolvesInside(name, host, isInside, signal);
}

/** Name and port; a `url` has a port by its scheme. */
function addressOf(host: Host): { given: string; port: number } {
  const { url } = host as { url?: unknown };
  if (typeof url === 'string' && URL.canParse(url)) {
    const { protocol, hostname, port } = new URL(url);
    const given = hostname.replace(/^\[(.*)\]$/, '$1');
    return { given, port: port === '' ? (protocol === 'wss:' ? 443 : 80) : Number(port) };
  }
  return { given: host.host ?? '127.0.0.1', port: host.port ?? 0 };
}

/**
 * A name passes if one of its addresses is in the ranges. The owner of the name can change the addresses at any time (DNS rebinding), so
 * each address is compared again when the tunnel connects, and addresses outside of the ranges are left out.
 */
async function resolvesInside(
  name: string,
  host: Host,
  isInside: (address: string) => boolean,
  signal: AbortSignal,
): Promise<Host | undefined> {
  const { lookup = dns.lookup } = host;
  const checked: LookupFunction = (hostname, options, done) => {
    lookup(hostname, options, (error, found, family) => {
      if (error) {
        done(error, found, family);
        return;
      }
      const all: LookupAddress[] =
        typeof found === 'string' ? [{ address: found, family: family ?? isIP(found) }] : found;
      const inside = all.filter(({ address }) => isInside(address));
      const [first] = inside;
      if (!first) done(new Error(`the addresses of ${hostname} are outside of targets`), []);
      else if (options.all === true) done(null, inside);
      else done(null, first.address, first.family);
    });
  };
  const known = await orAborted(
    signal,
    () =>
      new Promise<boolean>((resolve) => {
        lookup(name, { all: true, hints: 0 }, (error, found) => {
          // The name can't be resolved: the dial reports the error.
          if (error) resolve(true);
          else
            resolve(
              (typeof found === 'string' ? [found] : found.map(({ address }) => address)).some(isInside),
            );
        });
      }),
  );
  return known ? { ...host, lookup: checked } : undefined;
}

function isWithin(port: number, [first, last]: Ports): boolean {
  return port >= first && port <= last;
}

/** `desk.lan.` is desk.lan, and an address has one spelling. */
function plainName(name: string): string {
  return name.includes('/') ? name : normalizeAddress(name).replace(/\.$/, '');
}

import type { SecureContext } from 'node:tls';
import { idOf, type ResolvedHost } from '../backends/host.js';
import { isStream } from '../backends/stream.js';
import { without } from '../helpers/without.js';
import { CompiledHostMap } from '../routes/host-map.js';
import { notationOf } from '../routes/path-notation.js';
import { normalizeSocketPath } from '../sockets/socket-path.js';
import type { Host } from '../types.js';
import { fail } from './checks/fail.js';
import { refuseText } from './checks/host-text.js';
import { checkNames, namedOf } from './checks/names.js';
import { checkEach } from './checks/option-error.js';
import { OptionPath, type OptionRef } from './checks/option-path.js';
import { readSecureContext } from './checks/secure-context.js';
import { checkSocket, HOST_OPTIONS, UNSET_VARIABLE } from './host-options.js';
import { capacityOf, resolveSpawn } from './read-spawn.js';
import { checksOf, fill } from './row.js';
import { withUrl } from './websocket-host.js';

const CHECKS = checksOf(HOST_OPTIONS);

// resolveSpawn() fills in the defaults of a program.
const ROWS = without(HOST_OPTIONS, 'spawn');

/** The id of a stream that a `server` function returns. */
export const STREAM_ID = 'stream';

/** The options for the address of a host, in groups: a host has options of at most one group. */
const ADDRESSES = [['connect'], ['socket'], ['host', 'port', 'localAddress', 'lookup']] as const;

/**
 * Reads one host or a list: checks the hosts and fills in the defaults. `isMade`: a `server` function has returned the hosts, for
 * one request. Throws {@link TunnelError} WSTUNNEL_OPTION.
 */
export function readHosts(value: unknown, name: OptionRef, isMade = false): readonly ResolvedHost[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) fail(name, 'needs at least one host', value);
  const path = OptionPath.of(name);
  const hosts: ResolvedHost[] = [];
  checkEach(
    list.map((host, index) => () => {
      hosts.push(readHost(host, Array.isArray(value) ? path.item(index) : path, isMade));
    }),
  );
  checkQueries(hosts, name, value);
  if (hosts.every(({ backup }) => backup)) fail(name, 'needs at least one host that is not a backup', value);
  return Object.freeze(hosts);
}

/** URLs that differ only in the query are one host, so that all of them but the first would be ignored. */
function checkQueries(hosts: readonly ResolvedHost[], name: OptionRef, value: unknown): void {
  const urls = new Map<string, string>();
  for (const { id, url } of hosts) {
    if (url !== undefined && (urls.get(id) ?? url) !== url)
      fail(name, `needs URLs that differ before the query, since ${id} is one host`, value);
    if (url !== undefined) urls.set(id, url);
  }
}

/**
 * The result of a `server` function. Each stream counts as a separate backend: a failed stream says nothing about other backends.
 */
export function readServerResult(value: unknown, name: OptionRef): readonly ResolvedHost[] {
  if (!isStream(value)) return readHosts(value, name, true);
  const [host] = readHosts({ connect: () => value, disableTime: 0 }, name);
  return host ? [Object.freeze({ ...host, id: STREAM_ID })] : [];
}

/** The option `server`: one host, a list, or lighttpd's map of path beginnings and endings to hosts. */
export function readServerOption(
  value: unknown,
  name: OptionRef,
): readonly ResolvedHost[] | CompiledHostMap<readonly ResolvedHost[]> {
  if (!isHostMap(value)) return readHosts(value, name);
  const path = OptionPath.of(name);
  const entries: (readonly [string, readonly ResolvedHost[]])[] = [];
  checkEach(
    Object.entries(value).map(([key, hosts]) => () => {
      entries.push([key, readHosts(hosts, path.entry(key))]);
    }),
  );
  return new CompiledHostMap(entries, notationOf(value));
}

function readHost(value: unknown, path: OptionPath, isMade: boolean): ResolvedHost {
  if (typeof value === 'string' || typeof value === 'number') refuseText(value, path);
  checkNames(value, path, CHECKS);
  const host = withUrl(withSocket(namedOf(value as Host, Object.keys(HOST_OPTIONS)), path), path);
  const given = ADDRESSES.filter((names) => names.some((one) => host[one] !== undefined));
  if (given.length > 1)
    fail(
      path,
      `takes either ${host.connect ? 'connect or an address' : 'socket or host and port'}, not both`,
      value,
    );
  if (host.connect && host.spawn) fail(path, 'takes either connect or spawn, not both', value);
  const program = resolveSpawn(host, path, isMade);
  if (!host.connect && !host.spawn && host.socket === undefined && host.port === undefined)
    fail(
      path,
      'needs a port (or a socket)',
      value,
      Object.hasOwn(value as Host, 'port') ? UNSET_VARIABLE : '',
    );
  const filled = fill(without(host, 'spawn'), ROWS);
  return Object.freeze({
    ...filled,
    ...program,
    ...(host.websocket && { websocket: host.websocket }),
    id: idOf(host, program.spawn),
    maxTunnels: leastLimit(filled.maxTunnels, program.spawn ? capacityOf(program.spawn) : 0),
    ...secureContextOf(host, path.key('tls')),
  });
}

/** As in lighttpd, a host that begins with "/" is a socket. Both notations of an abstract socket become one. */
function withSocket(given: Host, path: OptionPath): Host {
  const { host, ...rest } = given;
  if (given.socket !== undefined) return { ...given, socket: normalizeSocketPath(given.socket) };
  if (!host?.startsWith('/')) return given;
  checkSocket(host, path.key('host'));
  return { ...rest, socket: host };
}

/** The lower of two limits; 0 means no limit. */
function leastLimit(one: number, other: number): number {
  return one === 0 || other === 0 ? Math.max(one, other) : Math.min(one, other);
}

function secureContextOf({ tls }: Host, path: OptionPath): { secureContext?: SecureContext } {
  if (tls === undefined || tls === false) return {};
  return { secureContext: readSecureContext(tls === true ? {} : tls, path) };
}

/** The values of a host's options are not objects, except for `tls` and `spawn`. The values of a map are objects. */
function isHostMap(value: unknown): value is Record<string, object> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  // lighttpd's `wstunnel.server = ()` means no tunnel; an empty object written by hand is a mistake.
  if (entries.length === 0) return notationOf(value) !== undefined;
  // No host option begins with a slash or a dot: readHost() refuses a text or a port in the place of a host.
  if (entries.every(([key]) => /^[/.]/.test(key))) return true;
  const isEntry = ([key, hosts]: [string, unknown]) =>
    typeof hosts === 'object' && hosts !== null && !Object.hasOwn(HOST_OPTIONS, key);
  return entries.every(isEntry);
}

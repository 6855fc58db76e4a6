import { isIP } from 'node:net';
import type { SecureContext } from 'node:tls';
import { idOf, type ResolvedHost } from '../backends/host.js';
import { isStream } from '../backends/stream.js';
import { checkEach } from './option-error.js';
import {
  fail,
  namedOf,
  readBoolean,
  readFunction,
  readNames,
  readNumber,
  readSeconds,
  readText,
  type Check,
} from './checks.js';
import { readSecureContext } from './secure-context.js';
import { targetPathFault, normalizeSocketPath } from '../sockets/socket-path.js';
import { without } from '../helpers/without.js';
import { HostMap } from '../routes/host-map.js';
import { notationOf } from '../routes/notation.js';
import type { Host } from '../types.js';
import { DEFAULTS } from './defaults.js';
import { checkHostName, refuseText } from './host-text.js';
import { capacityOf, checkSpawn, readSpawn } from './spawn.js';

// An option without its check does not compile. (Exported for the test of the README's tables.)
export const HOST: Readonly<Record<keyof Host, Check>> = {
  host: (value, name) => {
    readText(value, name);
    if (/^\[.*\]$/.test(value as string)) fail(name, 'takes an IPv6 address without brackets', value);
    // Messages show the host: "getaddrinfo ENOTFOUND ann:secret@desk".
    if (/^[^/].*@/s.test(value as string)) fail(name, 'must be a name or an address, without a user', '***');
    if (isIP(value as string) === 0) checkHostName(value as string, name);
  },
  port: readPort,
  socket: (value, name) => {
    readText(value, name);
    const fault = targetPathFault(value as string);
    if (fault !== undefined) fail(name, fault, value);
  },
  tls: readTls,
  connectTimeout: readSeconds(0.001, 300),
  disableTime: readSeconds(0, 3600),
  readTimeout: readSeconds(0, 86_400),
  writeTimeout: readSeconds(0, 86_400),
  maxTunnels: readNumber(0, 1_000_000),
  weight: readNumber(1, 100),
  backup: readBoolean,
  noDelay: readBoolean,
  keepAlive: readSeconds(0, 7200),
  localAddress: (value, name) => {
    if (typeof value !== 'string' || isIP(value) === 0) fail(name, 'must be an IP address', value);
  },
  lookup: readFunction,
  proxyProtocol: (value, name) => {
    if (value !== 1 && value !== 2) fail(name, 'must be 1 or 2', value);
  },
  connect: readFunction,
  spawn: checkSpawn,
};

/** What `process.env` gives for a variable that is not set, and what Number() makes of it. */
const UNSET = '; is the environment variable set?';

/** What says where a host is: at most one of these. */
const ADDRESSES = [['connect'], ['socket'], ['host', 'port', 'localAddress', 'lookup']] as const;

/** One host or a list, checked and filled in. `isMade`: by a `server` function, for one request. */
export function readHosts(value: unknown, name: string, isMade = false): readonly ResolvedHost[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) fail(name, 'needs at least one host', value);
  const hosts: ResolvedHost[] = [];
  checkEach(
    list.map((host, index) => () => {
      hosts.push(readHost(host, Array.isArray(value) ? `${name}[${index}]` : name, isMade));
    }),
  );
  if (hosts.every(({ backup }) => backup)) fail(name, 'needs a host that is no backup', value);
  return Object.freeze(hosts);
}

/** What a `server` function returned. A stream is a backend of its own, whose failure says nothing of others. */
export function readTarget(value: unknown, name: string): readonly ResolvedHost[] {
  if (!isStream(value)) return readHosts(value, name, true);
  const [host] = readHosts({ connect: () => value, disableTime: 0 }, name);
  return host ? [Object.freeze({ ...host, id: 'stream' })] : [];
}

/** The same, and lighttpd's map of path beginnings and endings to hosts. */
export function readServer(
  value: unknown,
  name: string,
): readonly ResolvedHost[] | HostMap<readonly ResolvedHost[]> {
  if (!isHostMap(value)) return readHosts(value, name);
  const entries: (readonly [string, readonly ResolvedHost[]])[] = [];
  checkEach(
    Object.entries(value).map(([key, hosts]) => () => {
      entries.push([key, readHosts(hosts, `${name}[${JSON.stringify(key)}]`)]);
    }),
  );
  return new HostMap(entries, notationOf(value));
}

function readHost(value: unknown, name: string, isMade: boolean): ResolvedHost {
  if (typeof value === 'string' || typeof value === 'number') refuseText(value, name);
  readNames(value, name, HOST);
  const host = withSocket(namedOf(value as Host, Object.keys(HOST)), name);
  const given = ADDRESSES.filter((names) => names.some((one) => host[one] !== undefined));
  if (given.length > 1)
    fail(
      name,
      `takes either ${host.connect ? 'connect or an address' : 'socket or host and port'}, not both`,
      value,
    );
  if (host.connect && host.spawn) fail(name, 'takes either connect or spawn, not both', value);
  const program = readSpawn(host, name, isMade);
  if (!host.connect && !host.spawn && host.socket === undefined && host.port === undefined)
    fail(name, 'needs a port (or a socket)', value, Object.hasOwn(value as Host, 'port') ? UNSET : '');
  return Object.freeze({
    ...without(host, 'spawn'),
    ...program,
    id: idOf(host, program.spawn),
    connectTimeout: host.connectTimeout ?? DEFAULTS.connectTimeout,
    disableTime: host.disableTime ?? DEFAULTS.disableTime,
    readTimeout: host.readTimeout ?? 0,
    writeTimeout: host.writeTimeout ?? 0,
    maxTunnels: leastLimit(host.maxTunnels ?? 0, program.spawn ? capacityOf(program.spawn) : 0),
    weight: host.weight ?? 1,
    backup: host.backup ?? false,
    noDelay: host.noDelay ?? true,
    keepAlive: host.keepAlive ?? DEFAULTS.keepAlive,
    ...secureContextOf(host, `${name}.tls`),
  });
}

/** lighttpd's: a host that begins with "/" is a socket. Of an abstract one there is one notation. */
function withSocket(given: Host, name: string): Host {
  const { host, ...rest } = given;
  if (given.socket !== undefined) return { ...given, socket: normalizeSocketPath(given.socket) };
  if (!host?.startsWith('/')) return given;
  HOST.socket(host, `${name}.host`);
  return { ...rest, socket: host };
}

/** Of two limits the one that counts; 0 is none. */
function leastLimit(one: number, other: number): number {
  return one === 0 || other === 0 ? Math.max(one, other) : Math.min(one, other);
}

/** Environment variables are text. */
function readPort(value: unknown, name: string): void {
  if (typeof value === 'string')
    fail(
      name,
      'must be a whole number from 1 to 65535',
      value,
      '; environment variables are text: Number(process.env.VNC_PORT) is a number',
    );
  if (Number.isNaN(value)) fail(name, 'must be a whole number from 1 to 65535', value, UNSET);
  readNumber(1, 65535)(value, name);
}

function readTls(value: unknown, name: string): void {
  if (typeof value === 'boolean' || (typeof value === 'object' && value !== null && !Array.isArray(value)))
    return;
  fail(name, "must be true, false or the options of Node's tls.connect", value);
}

function secureContextOf({ tls }: Host, name: string): { secureContext?: SecureContext } {
  if (tls === undefined || tls === false) return {};
  return { secureContext: readSecureContext(tls === true ? {} : tls, name) };
}

/** Of a host the values are no objects, but for those of its own options. */
function isHostMap(value: unknown): value is Record<string, object> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  // lighttpd's `wstunnel.server = ()` is no tunnel; as an option of one's own, an empty object is a mistake.
  if (entries.length === 0) return notationOf(value) !== undefined;
  // No option of a host begins so: a text or a port in the place of a host is told as that.
  if (entries.every(([key]) => /^[/.]/.test(key))) return true;
  const isEntry = ([key, hosts]: [string, unknown]) =>
    typeof hosts === 'object' && hosts !== null && !Object.hasOwn(HOST, key);
  return entries.every(isEntry);
}

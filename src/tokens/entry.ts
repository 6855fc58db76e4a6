import { isIP } from 'node:net';
import { readHostAndPort } from '../options/checks/host-port.js';
import type { Host } from '../types.js';
import type { TokenAnswer } from './token-types.js';

/** An entry of a store, or the claims of a token, that name no valid target. The message contains no part of them. */
export class EntryFault extends Error {
  override readonly name = 'EntryFault';
}

/** The most characters of an entry. */
export const MAX_ENTRY_LENGTH = 65_536;

/** websockify's forms: `host:port`, `{"host": "host:port"}` or `{"host": "host", "port": 5900}`. @throws {EntryFault} */
export function readEntry(text: string): TokenAnswer {
  const plain = text.trim();
  return plain.startsWith('{') ? readClaims(parse(plain)) : { target: hostOf(plain, undefined) };
}

/**
 * The properties of an entry or of a token's payload: `host`, `port`, and, where given, `user` (or `sub`), `viewOnly` and
 * `maxDuration`. A property of another type is a fault: without its `viewOnly`, an entry would give too many rights.
 *
 * @throws {EntryFault}
 */
export function readClaims(claims: object): TokenAnswer {
  // Own properties only: every object inherits `constructor` and `__proto__`.
  const own = (name: string): unknown =>
    Object.hasOwn(claims, name) ? (claims as Record<string, unknown>)[name] : undefined;
  const user = own('user') ?? own('sub');
  const viewOnly = own('viewOnly');
  const maxDuration = own('maxDuration');
  const misspelt = RIGHTS.find((right) =>
    Object.keys(claims).some((name) => name !== right && plain(name) === plain(right)),
  );
  if (misspelt !== undefined) throw new EntryFault(`its ${misspelt} is misspelt`);
  if (user !== undefined && (typeof user !== 'string' || user === '')) throw wrong('user');
  if (viewOnly !== undefined && typeof viewOnly !== 'boolean') throw wrong('viewOnly');
  if (maxDuration !== undefined && !isDuration(maxDuration)) throw wrong('maxDuration');
  return {
    target: hostOf(own('host'), own('port')),
    ...(user !== undefined && { user }),
    ...(viewOnly !== undefined && { viewOnly }),
    ...(maxDuration !== undefined && { maxDuration }),
  };
}

/** `view_only` and `viewonly` would give all rights. */
const RIGHTS = ['user', 'viewOnly', 'maxDuration'] as const;

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '');
}

/** The limits of a grant (`tunnel/grant.ts`). NaN is outside. */
function isDuration(value: unknown): value is number {
  return typeof value === 'number' && value >= 0.001 && value <= 31_622_400;
}

function hostOf(host: unknown, port: unknown): Host {
  if (typeof host !== 'string') throw wrong('host');
  // websockify's name for a unix socket, whose path is in the place of the port.
  const [, path] = /^unix_socket:(.*)$/.exec(host) ?? [];
  if (path !== undefined || host === 'unix_socket') return { socket: checkedPath(path ?? port) };
  const pair = port === undefined ? readHostAndPort(host) : { host, port: portOf(port) };
  const name = pair?.host?.replace(/^\[(.*)\]$/, '$1') ?? '';
  if (!isHostName(name)) throw wrong('host');
  if (pair === undefined || !Number.isInteger(pair.port) || pair.port < 1 || pair.port > 65_535)
    throw wrong('port');
  return { host: name, port: pair.port };
}

/** websockify also accepts a port as text. */
function portOf(port: unknown): number {
  if (typeof port === 'number') return port;
  return typeof port === 'string' && /^\d{1,5}$/.test(port) ? Number(port) : NaN;
}

function checkedPath(path: unknown): string {
  if (typeof path !== 'string' || !path.startsWith('/') || path.includes('\0')) throw wrong('port');
  return path;
}

function isHostName(name: string): boolean {
  return isIP(name) !== 0 || (name.length < 254 && /^\w(?:[\w.-]*\w)?\.?$/.test(name));
}

function parse(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // The message of JSON.parse repeats a part of the text.
  }
  throw new EntryFault('it is not valid JSON');
}

function wrong(name: string): EntryFault {
  return new EntryFault(`its ${name} is missing or invalid`);
}

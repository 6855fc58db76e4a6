import { createHmac, randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import type { SecureContext } from 'node:tls';
import type { Host, SpawnOptions } from '../types.js';

/**
 * Which placeholders of `spawn` are filled in: none for a program that gets its socket as a descriptor; those up to the first
 * text with `{socket}` or `{port}`, for a host that a `server` function has made, since a later text may be a user's name; or
 * all.
 */
export type Fill = 'none' | 'first' | 'all';

/** Of `spawn`, with its defaults. */
export type ResolvedSpawn = Readonly<
  Required<Omit<SpawnOptions, 'killSignal'>> & {
    killSignal: NodeJS.Signals;
    fill: Fill;
    /** What makes two the same, without telling what they are. */
    key: string;
  }
>;

/** A host with its defaults filled in. */
export type ResolvedHost = Readonly<
  Omit<Host, 'spawn'> &
    Required<
      Pick<
        Host,
        | 'connectTimeout'
        | 'disableTime'
        | 'readTimeout'
        | 'writeTimeout'
        | 'maxTunnels'
        | 'weight'
        | 'backup'
        | 'noDelay'
        | 'keepAlive'
      >
    >
> & {
  /** `host:port` or `unix:/path`: what state is kept by. */
  readonly id: string;
  /** Made once: reading certificates takes milliseconds. */
  readonly secureContext?: SecureContext;
  readonly spawn?: ResolvedSpawn;
};

// In-process backends have no address: each `connect` is a backend of its own.
const streams = new WeakMap<object, string>();
let streamCount = 0;

// An environment may hold passwords: without this nobody can tell from an id whether a guess is right.
const salt = randomBytes(32);

export function keyOf(spawn: Readonly<Record<keyof SpawnOptions, unknown>>): string {
  return createHmac('sha256', salt).update(JSON.stringify(spawn)).digest('hex').slice(0, 16);
}

export function idOf(
  { socket, host = '127.0.0.1', port = 0, connect }: Host,
  spawn?: Pick<ResolvedSpawn, 'path' | 'key'>,
): string {
  if (connect) {
    const known = streams.get(connect) ?? `stream:${++streamCount}`;
    streams.set(connect, known);
    return known;
  }
  if (socket !== undefined) return `unix:${socket}`;
  if (spawn && port === 0) return `spawn:${basename(spawn.path)}#${spawn.key}`;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

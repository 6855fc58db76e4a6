import { createHmac, randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import type { SecureContext } from 'node:tls';
import type { Host, SpawnOptions } from '../types.js';
import type { WebSocketTarget } from './websocket/target.js';

/**
 * The texts of `spawn` in which placeholders are replaced. `none`: for a program that gets the socket as a descriptor. `first`:
 * up to the first text with `{socket}` or `{port}`, for a host that a `server` function returned, since a later text may be a
 * user name.
 */
export type Fill = 'none' | 'first' | 'all';

/** The option `spawn`, with its defaults filled in. */
export type ResolvedSpawn = Readonly<
  Required<Omit<SpawnOptions, 'killSignal'>> & {
    killSignal: NodeJS.Signals;
    fill: Fill;
    /** A hash of the settings. Equal settings have equal keys, and a key reveals nothing about the settings. */
    key: string;
  }
>;

/** A host with its defaults filled in. */
export type ResolvedHost = Readonly<
  Omit<Host, 'spawn' | 'url'> &
    Required<
      Pick<
        Host,
        | 'connectTimeout'
        | 'disableTime'
        | 'readTimeout'
        | 'writeTimeout'
        | 'maxTunnels'
        | 'onFull'
        | 'weight'
        | 'backup'
        | 'noDelay'
        | 'keepAlive'
      >
    >
> & {
  /** `host:port`, `unix:/path` ...: the key of the host's state. */
  readonly id: string;
  /** `host`, `port` and `tls` are those of the URL. */
  readonly url?: string;
  readonly websocket?: WebSocketTarget;
  /** Created once, since reading certificates takes milliseconds. */
  readonly secureContext?: SecureContext;
  readonly spawn?: ResolvedSpawn;
  /**
   * Only for the connection of one request: `vnc` reads the connection first, below TLS. TLS is not started.
   */
  readonly isBare?: true;
};

/** The way to reach a host. A new kind does not compile before `idOf` and `openTransport` (transport.ts) handle the kind. */
export type Transport =
  | { readonly kind: 'stream'; readonly connect: NonNullable<Host['connect']> }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export function transportOf({ connect, socket, host = '127.0.0.1', port = 0 }: Host): Transport {
  if (connect) return { kind: 'stream', connect };
  return socket === undefined ? { kind: 'tcp', host, port } : { kind: 'unix', path: socket };
}

// In-process backends have no address: each `connect` function is a backend.
const streams = new WeakMap<object, string>();
let streamCount = 0;

// An environment may contain passwords: without the salt, a guess could be tested against the id of a host.
const salt = randomBytes(32);

export function keyOf(spawn: Readonly<Record<keyof SpawnOptions, unknown>>): string {
  return createHmac('sha256', salt).update(JSON.stringify(spawn)).digest('hex').slice(0, 16);
}

/** The id of a host. The id of a spawned program without an address comes from the program's settings. */
export function idOf(options: Host, spawn?: Pick<ResolvedSpawn, 'path' | 'key'>): string {
  if (options.url !== undefined) return urlId(new URL(options.url));
  const transport = transportOf(options);
  switch (transport.kind) {
    case 'stream':
      return streamId(transport.connect);
    case 'unix':
      return `unix:${transport.path}`;
    case 'tcp': {
      const { host, port } = transport;
      if (spawn && port === 0) return `spawn:${basename(spawn.path)}#${spawn.key}`;
      return `${host.includes(':') ? `[${host}]` : host}:${port}`;
    }
  }
}

/** The URL without the query, which belongs to the request: with a new ticket in it, each request would be for a new host. */
function urlId({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname}`;
}

function streamId(connect: object): string {
  const known = streams.get(connect) ?? `stream:${++streamCount}`;
  streams.set(connect, known);
  return known;
}

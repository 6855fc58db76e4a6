import type { SecureContext } from 'node:tls';
import type { Host } from '../types.js';

/** A host with its defaults filled in. */
export type ResolvedHost = Readonly<
  Host &
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
};

// In-process backends have no address: each `connect` is a backend of its own.
const streams = new WeakMap<object, string>();
let streamCount = 0;

export function idOf({ socket, host = '127.0.0.1', port = 0, connect }: Host): string {
  if (connect) {
    const known = streams.get(connect) ?? `stream:${++streamCount}`;
    streams.set(connect, known);
    return known;
  }
  if (socket !== undefined) return `unix:${socket}`;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

import { hostname } from 'node:os';
import type { ResolvedHost } from './host.js';

const LOOPBACK = /^(?:wss?:\/\/)?(127\.\d+\.\d+\.\d+|\[::1\]|localhost)([:/]|$)/i;

/**
 * The id of a host among processes that share a state; undefined for a backend of this process alone. A loopback address or a unix
 * socket is a different backend on each machine.
 */
export function sharedIdOf({ id, spawn, connect }: ResolvedHost): string | undefined {
  if (spawn || connect) return undefined;
  return LOOPBACK.test(id) || id.startsWith('unix:') ? `${hostname()} ${id}` : id;
}

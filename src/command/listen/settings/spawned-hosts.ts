import { HOST_OPTIONS } from '../../../options/host-options.js';
import type { Host } from '../../../types.js';

/** The programs of a host, a list, or a map of hosts and lists. */
export function hostsOf(server: unknown): Host[] {
  if (typeof server !== 'object' || server === null) return [];
  if (Array.isArray(server)) return server.flatMap(hostsOf);
  const isHost = Object.keys(server).some((key) => Object.hasOwn(HOST_OPTIONS, key));
  if (!isHost) return Object.values(server).flatMap(hostsOf);
  const host: Host = server;
  return host.spawn === undefined ? [] : [host];
}

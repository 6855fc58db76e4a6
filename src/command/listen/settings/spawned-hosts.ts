import { HOST_OPTIONS } from '../../../options/host-options.js';
import type { Host } from '../../../types.js';

/** The programs of a host, a list, or a map of hosts and lists. */
export function hostsOf(server: unknown): Host[] {
  return everyHostOf(server).filter(({ spawn }) => spawn !== undefined);
}

/** Every host of a host, a list, or a map of hosts and lists. */
function everyHostOf(server: unknown): Host[] {
  if (typeof server !== 'object' || server === null) return [];
  if (Array.isArray(server)) return server.flatMap(everyHostOf);
  const isHost = Object.keys(server).some((key) => Object.hasOwn(HOST_OPTIONS, key));
  return isHost ? [server] : Object.values(server).flatMap(everyHostOf);
}

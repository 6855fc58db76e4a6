import type { Host } from '../../../types.js';

/** A host, a list, or a map of hosts and lists. */
export function hostsOf(server: unknown): Host[] {
  if (typeof server !== 'object' || server === null) return [];
  if (Array.isArray(server)) return server.flatMap(hostsOf);
  const inner = Object.values(server).filter((one) => typeof one === 'object');
  return 'spawn' in server ? [server as Host] : inner.flatMap(hostsOf);
}

import type { HostState } from '../types.js';

/**
 * Rendezvous hashing: each host gets a score, a hash of the host's id and the key, and the highest score wins. When a host
 * disappears, only the keys of that host move, evenly to the other hosts. Weights use the logarithmic method: weight / -ln(hash).
 */
export function highest(hosts: readonly HostState[], key: string): HostState | undefined {
  const keyHash = hashOf(key);
  let best: HostState | undefined;
  let most = -Infinity;
  for (const host of hosts) {
    // Strictly between 0 and 1: the logarithm is finite and not 0.
    const drawn = (mixed(keyHash ^ hashOf(host.id)) + 0.5) / 2 ** 32;
    const score = (host.host.weight ?? 1) / -Math.log(drawn);
    if (score > most) {
      most = score;
      best = host;
    }
  }
  return best;
}

/** FNV-1a over UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mixed(hash);
}

/** MurmurHash3's finalizer: each bit of the input changes half of the output bits on average. */
function mixed(number: number): number {
  let n = number;
  n = Math.imul(n ^ (n >>> 16), 0x85ebca6b);
  n = Math.imul(n ^ (n >>> 13), 0xc2b2ae35);
  return (n ^ (n >>> 16)) >>> 0;
}

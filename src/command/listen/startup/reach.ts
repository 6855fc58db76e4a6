import { isLoopback, type ListenAddress } from '../../command-line/addresses.js';
import type { Plan } from '../plan.js';

const EVERY: readonly (string | undefined)[] = [undefined, '0.0.0.0', '::'];

/**
 * Who can reach an address, for the line that says where the command listens. Loopback is the default here, and everybody in
 * websockify: a port that a container publishes would lead nowhere, without a word.
 */
export function reachOf(
  address: ListenAddress,
  port: string,
  { isLighttpd }: Pick<Plan, 'isLighttpd'>,
): string {
  if (address.socket !== undefined) return '';
  if (!isLoopback(address))
    return EVERY.includes(address.host) ? '; reachable from every network of this machine' : '';
  const way = isLighttpd ? 'server.bind' : `--listen :${port}`;
  return `; reachable from this machine only (${way} opens it to others, also through a container's published port)`;
}

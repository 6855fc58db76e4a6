import { isLoopback, type BindAddress } from '../../command-line/bind-and-target.js';
import type { Plan } from '../plan.js';

const EVERY: readonly (string | undefined)[] = [undefined, '0.0.0.0', '::'];

/**
 * Which machines can reach an address, for the message at the start. The default is loopback, unlike in websockify: without the
 * message, a user would not see why a container's published port leads nowhere.
 */
export function reachOf(
  address: BindAddress,
  port: string,
  { isLighttpd }: Pick<Plan, 'isLighttpd'>,
): string {
  if (address.socket !== undefined) return '';
  if (!isLoopback(address))
    return EVERY.includes(address.host) ? '; reachable from every network of this machine' : '';
  const way = isLighttpd ? 'server.bind' : `--listen :${port}`;
  return `; reachable from this machine only (${way} opens it to others, also through a container's published port)`;
}

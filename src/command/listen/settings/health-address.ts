import { resolve } from 'node:path';
import { isAbstractSocket } from '../../../sockets/socket-path.js';
import { usageError } from '../../command-line/args.js';
import { parseListenAddress, shownAddress, type BindAddress } from '../../command-line/bind-and-target.js';
import type { Plan } from '../plan.js';
import type { ListenArgs } from './listen-flags.js';

export const HEALTH_RULE = 'must be PORT (loopback only), ADDRESS:PORT, :PORT or unix:PATH';

/** The address of the health checks or metrics; undefined if invalid. A passed socket is not accepted: the unit's sockets are for clients. */
export function parseHealth(text: string): BindAddress | undefined {
  const address = parseListenAddress(text);
  if (!address || address.fd !== undefined || isAbstractSocket(address.socket ?? '')) return undefined;
  return address;
}

/** The value of `--health` or `--metrics`. @throws {CommandError} */
export function healthOf(args: ListenArgs, name: 'health' | 'metrics'): BindAddress | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  const address = parseHealth(text);
  if (!address) throw usageError(`--${name} ${HEALTH_RULE}; got "${text}"`);
  return withPath(address, (path) => resolve(path));
}

/** The address with the absolute path of its unix socket. */
export function withPath(address: BindAddress | undefined, absolute: (path: string) => string): BindAddress {
  return address?.socket === undefined ? (address ?? {}) : { socket: absolute(address.socket) };
}

/** Rejects an address of health checks or metrics on which clients are served as well. @throws {CommandError} */
export function checkHealth({ health, metrics, listen }: Pick<Plan, 'health' | 'metrics' | 'listen'>): void {
  const own = [
    { name: '--health', what: 'the health checks', address: health },
    { name: '--metrics', what: 'the metrics', address: metrics },
  ];
  for (const { name, what, address } of own)
    if (address && listen.some((one) => isShared(one, address)))
      throw usageError(
        `${name} ${shownAddress(address)} is also a listen address: give ${what} a port or socket of their own`,
      );
}

function isShared(one: BindAddress, other: BindAddress): boolean {
  if (one.socket !== undefined || other.socket !== undefined) return one.socket === other.socket;
  if (one.port !== other.port || one.port === undefined || one.port === 0) return false;
  return one.host === other.host || isEveryAddress(one) || isEveryAddress(other);
}

function isEveryAddress({ host }: BindAddress): boolean {
  return host === undefined || host === '0.0.0.0' || host === '::';
}

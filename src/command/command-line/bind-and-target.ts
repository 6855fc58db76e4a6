import { isIP } from 'node:net';
import { hideLogin } from '../../helpers/hide-login.js';
import { readHostAndPort } from '../../options/checks/host-port.js';
import { LOOPBACK, parseBackend, socketOf } from '../../options/checks/target-text.js';
import { listenPathFault, isAbstractSocket } from '../../sockets/socket-path.js';
import { usageError } from './args.js';

/** The address of a listener: a port (0: any free port) of one address or of all addresses, a unix socket, or a passed descriptor. */
export interface BindAddress {
  readonly port?: number;
  /** Default: every address. */
  readonly host?: string;
  /** `::` without IPv4 connections. */
  readonly ipv6Only?: true;
  readonly socket?: string;
  /** The descriptor of a listening socket that the parent process has passed. */
  readonly fd?: number;
}

export { parseBackend };

/**
 * Parses a listen address: `6080` (loopback only), `192.0.2.1:6080`, `[::1]:6080`, `:6080` (every address), `unix:/run/x.sock`,
 * `fd:3` (a socket that the parent process has passed). Undefined for any other text.
 */
export function parseListenAddress(text: string): BindAddress | undefined {
  const socket = socketOf(text);
  if (socket !== undefined) return { socket };
  const [, fd] = /^fd:(\d{1,5})$/.exec(text) ?? [];
  if (fd !== undefined) return { fd: Number(fd) };
  const found = readHostAndPort(text);
  if (!found) return undefined;
  const { host = LOOPBACK, port } = found;
  return host === '' || host === '*' ? { port } : { host, port };
}

/** Like {@link parseListenAddress}. @throws {CommandError} for an invalid address */
export function requireListenAddress(text: string): BindAddress {
  const address = parseListenAddress(text);
  if (!address)
    throw usageError(
      `"${hideLogin(text)}" is not a listen address: give PORT, ADDRESS:PORT, :PORT, unix:PATH or fd:3`,
    );
  const { socket } = address;
  if (socket !== undefined && isAbstractSocket(socket))
    throw usageError(`can't listen on "${text}": ${listenPathFault(socket) ?? ''}`);
  return address;
}

/** For messages about targets. */
export const TARGET_RULE = 'give HOST:PORT, PORT, unix:PATH, tls:HOST:PORT or wss://HOST/PATH';

/** The address as a user types it. */
export function shownAddress({ socket, fd, host = '', port = 0 }: BindAddress): string {
  if (fd !== undefined) return `fd:${fd}`;
  if (socket !== undefined) return `unix:${socket}`;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Is the address reachable from this machine only? True for every unix socket. */
export function isLoopback({ socket, host = '' }: BindAddress): boolean {
  if (socket !== undefined) return true;
  const address = canonicalHost(host);
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/**
 * Gives each address one spelling: getaddrinfo and URL both read `127.1`, `0x7f.1` and `2130706433` as 127.0.0.1, `localhost.` is
 * localhost, and `::ffff:127.0.0.1` accepts IPv4 connections.
 */
function canonicalHost(host: string): string {
  const plain = host.replace(/%.*$/, '').replace(/\.$/, '');
  const url = `http://${isIP(plain) === 6 ? `[${plain}]` : plain}`;
  if (!URL.canParse(url)) return plain.toLowerCase();
  const canonical = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
  // URL writes an IPv4-mapped address in hexadecimal: ::ffff:7f00:1.
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical) ?? [];
  if (high === undefined || low === undefined) return canonical;
  const [a, b] = [parseInt(high, 16), parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join('.');
}

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { isSameOrigin, parseOrigin } from '../../guard/origin.js';

/**
 * The same origin, under a name of this machine. What listens on loopback believes that all who reach it are here, and a page
 * of anywhere could have its own name resolved to 127.0.0.1 (DNS rebinding): then Origin and Host agree, on that name.
 */
export function isLocalOrigin(origin: string | undefined, req: IncomingMessage): boolean {
  if (origin === undefined) return true;
  // On a unix socket it is a proxy that asks, and no browser reaches it.
  if (req.socket.localAddress === undefined) return isSameOrigin(origin, req);
  const { host = '' } = parseOrigin(origin) ?? {};
  const isLocal =
    host === 'localhost' || host.endsWith('.localhost') || isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0;
  return isLocal && isSameOrigin(origin, req);
}

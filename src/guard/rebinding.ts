import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TunnelError } from '../errors.js';
import { compileAddresses, isListed, normalizeAddress } from '../request/client-address.js';
import { isFixedName } from '../request/fixed-name.js';
import { trustsPeer } from '../request/proxy-trust.js';
import { isSameOrigin, parseOrigin, shownOrigin } from './origin.js';

const LOOPBACK = compileAddresses(['127.0.0.0/8', '::1']);

/** Headers that reverse proxies add. A page can't: the WebSocket API takes no headers. */
const PROXY_HEADERS = [
  ...['forwarded', 'via', 'x-real-ip'],
  ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'],
];

/**
 * The check of `origins: 'same'`: the Origin equals the Host, and the two are not a name that was pointed at this machine.
 *
 * A site can have its own name resolved to 127.0.0.1 (DNS rebinding). Its pages then reach a server that only programs of this
 * machine should reach, with an Origin and a Host that agree. Such a request differs from a legitimate one in this: a page of
 * plain http, a name that is not loopback, and no reverse proxy on the way. Throws the 403 for it.
 */
export function isOwnPage(origin: string | undefined, req: IncomingMessage): boolean {
  if (!isSameOrigin(origin, req)) return false;
  if (origin === undefined || !mayBeRebound(origin, req)) return true;
  const how =
    'a site can point a name at this machine (DNS rebinding), and nothing shows that a proxy sent the request';
  const way = `to allow the pages set origins: ['${shownOrigin(origin)}'], or \`trust proxy\` for a proxy in front`;
  throw new TunnelError('WSTUNNEL_ORIGIN_REFUSED', 'pages of this origin may not open this tunnel', {
    detail: `Origin ${shownOrigin(origin)} is not a loopback name: ${how}; ${way}`,
  });
}

/**
 * A page of https needs no look: over TLS the browser has compared the name with the certificate, and without TLS here a proxy
 * has ended it, as browsers block `ws:` from pages of https (https://www.w3.org/TR/mixed-content/).
 */
function mayBeRebound(origin: string, req: IncomingMessage): boolean {
  const { scheme, host = '' } = parseOrigin(origin) ?? {};
  if (scheme !== 'http:' || isFixedName(host) || trustsPeer(req)) return false;
  return !PROXY_HEADERS.some((name) => req.headers[name] !== undefined) && listensOnLoopback(req);
}

/**
 * Is the server that accepted this connection bound to a loopback address? Node sets `socket.server`, also under TLS. A server that
 * does not listen itself (it gets its connections by `emit('connection', socket)`) has no address: there the connection's own end
 * counts. What listens may then be bound to more; on loopback its clients are still browsers of this machine and proxies.
 */
function listensOnLoopback({ socket }: IncomingMessage): boolean {
  const { server } = socket as { server?: { address?: () => AddressInfo | string | null } };
  const bound = typeof server?.address === 'function' ? server.address() : null;
  if (typeof bound === 'string') return false;
  const address = bound?.address ?? socket.localAddress;
  return address !== undefined && isListed(normalizeAddress(address), LOOPBACK, false);
}

import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TunnelError } from '../errors.js';
import { serverOf } from '../internals/node-net.js';
import { compileAddresses, isListed, normalizeAddress } from '../request/client-address.js';
import { isFixedName } from '../request/fixed-name.js';
import { trustsPeer } from '../request/proxy-trust.js';
import { isSameOrigin, parseOrigin, shownOrigin } from './origin.js';

const LOOPBACK = compileAddresses(['127.0.0.0/8', '::1']);

/** Headers that reverse proxies add. A page can't add headers: the WebSocket API has no parameter for headers. */
const PROXY_HEADERS = [
  ...['forwarded', 'via', 'x-real-ip'],
  ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'],
];

/**
 * The check of `origins: 'same'`: the Origin equals the Host, and no other site has pointed the name at this machine.
 *
 * A site can resolve its name to 127.0.0.1 (DNS rebinding). Pages of the site then reach a server for programs of this machine
 * only, with an Origin that equals the Host. Three things distinguish such a request: a page of plain http, a name that is not
 * loopback, and no reverse proxy on the way. Throws the 403 for such a request.
 */
export function isOwnPage(origin: string | undefined, req: IncomingMessage): boolean {
  if (!isSameOrigin(origin, req)) return false;
  if (origin === undefined || !mayBeRebound(origin, req)) return true;
  const how =
    'a site can point its name at this machine (DNS rebinding), and the request has no header of a proxy';
  const way = `to allow this origin set origins: ['${shownOrigin(origin)}'], or \`trust proxy\` for a proxy in front`;
  throw new TunnelError('WSTUNNEL_ORIGIN_REFUSED', 'pages of this origin may not open this tunnel', {
    detail: `Origin ${shownOrigin(origin)} is not a loopback name: ${how}; ${way}`,
  });
}

/**
 * A page of https is safe. With TLS on this server, the browser has compared the name with the certificate. Without TLS here, a
 * proxy has ended TLS, since browsers block `ws:` from pages of https (https://www.w3.org/TR/mixed-content/).
 */
function mayBeRebound(origin: string, req: IncomingMessage): boolean {
  const { scheme, host = '' } = parseOrigin(origin) ?? {};
  if (scheme !== 'http:' || isFixedName(host) || trustsPeer(req)) return false;
  return !PROXY_HEADERS.some((name) => req.headers[name] !== undefined) && listensOnLoopback(req);
}

/**
 * Is the server that accepted this connection bound to a loopback address? A server that does not listen (and gets connections by
 * `emit('connection', socket)`) has no address: the connection's local address counts instead. The real listener may be bound to
 * more addresses; on loopback the clients are still browsers of this machine and proxies.
 */
function listensOnLoopback({ socket }: IncomingMessage): boolean {
  const server = serverOf(socket) as { address?: () => AddressInfo | string | null } | undefined;
  const bound = typeof server?.address === 'function' ? server.address() : null;
  if (typeof bound === 'string') return false;
  const address = bound?.address ?? socket.localAddress;
  return address !== undefined && isListed(normalizeAddress(address), LOOPBACK, false);
}

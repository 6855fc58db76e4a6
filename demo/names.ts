import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { Request, RequestHandler } from 'express';

const ANY_ADDRESS = new Set(['0.0.0.0', '::']);

/** The longest name in a message, in characters: a client may send 16 KiB. */
const MAX_SHOWN = 253;

/**
 * Refuses requests, upgrades included, with a Host that is not a name of this server. Must run before all other middleware.
 *
 * Against DNS rebinding: any site can resolve its name to 127.0.0.1. The site's pages then reach this server as pages of the same
 * origin and may read the answers. Only the Host header differs from a request of the server's own pages.
 */
export function requireOwnName(listenHost: string): RequestHandler {
  return (req, res, next) => {
    const name = nameOf(req.headers.host);
    if (name !== undefined && isOwnName(name, listenHost)) {
      next();
      return;
    }
    const shown = JSON.stringify((name ?? req.headers.host ?? '').slice(0, MAX_SHOWN));
    const way =
      'open the demo at an address of this machine or at localhost, or start the demo with --host and that name';
    res.status(403).type('text').send(`${shown} is not a name of this demo: ${way}.\n`);
  };
}

const READS = ['GET', 'HEAD', 'OPTIONS'];

/**
 * Refuses the forms of other sites (CSRF): logins, logouts and changes of roles are for the demo's own pages. `sameSite` of the cookie is
 * not enough, since a site has no port: a page of another server of this machine is of the same site, and its forms carry the cookie.
 * Must run behind {@link requireOwnName}. The tunnels have a check of their own.
 */
export const requireOwnPage: RequestHandler = (req, res, next) => {
  if (READS.includes(req.method) || isOwnPage(req)) next();
  else res.status(403).type('text').send('Only the pages of the demo may send this request.\n');
};

/** Browsers send Sec-Fetch-Site on loopback and over TLS, and Origin always. Programs send neither. */
function isOwnPage({ headers }: Request): boolean {
  const { host, origin } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
}

/** The name in a Host header, as URL writes it, without brackets and the final dot. Undefined if the Host is invalid. */
function nameOf(host: string | undefined): string | undefined {
  if (host === undefined || /[\s/\\@?#]/.test(host) || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}

function isOwnName(name: string, listenHost: string): boolean {
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  if (isLoopbackAddress(name) || name === nameOf(isIP(listenHost) === 6 ? `[${listenHost}]` : listenHost))
    return true;
  if (!ANY_ADDRESS.has(listenHost)) return false;
  // A server on all addresses accepts every address as its name, since no site can rebind an address.
  const own = hostname().toLowerCase();
  const [label = ''] = own.split('.');
  return isIP(name) !== 0 || (label !== '' && [own, label, `${label}.local`].includes(name));
}

function isLoopbackAddress(name: string): boolean {
  return name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}

/** Is a server that listens on the host reachable from this machine only? */
export function isLoopback(listenHost: string): boolean {
  return listenHost === 'localhost' || isLoopbackAddress(listenHost);
}

import type { IncomingMessage } from 'node:http';
import { TunnelError } from '../../../errors.js';
import {
  comparisonOf,
  expectedOrigin,
  isSameOrigin,
  ownOrigin,
  parseOrigin,
  shownOrigin,
} from '../../../guard/origin.js';
import { normalizeAddress } from '../../../request/address.js';
import { cut } from '../../../helpers/one-line.js';
import { firstOf, trustsPeer } from '../../../request/trust.js';
import type { ServerNames } from './server-names.js';
import { optionFor } from './refused-origins.js';

/** Characters of a name in a message: a client may send 16 KiB. */
const MAX_SHOWN = 253;

/**
 * The check where no `--origin` is given: the same origin, under a name of this server (see {@link ServerNames}). `report` gets each
 * refused origin and the option that lets it in: a browser does not show the reason of a refused WebSocket.
 */
export function sameNamedOrigin(names: ServerNames, report: (origin: string, way: string) => void) {
  return (origin: string | undefined, req: IncomingMessage): boolean => {
    if (origin === undefined) return true;
    if (!isSameOrigin(origin, req)) {
      report(shownOrigin(origin), wayForOther(origin, req));
      throw new TunnelError('WSTUNNEL_ORIGIN_REFUSED', 'pages of this origin may not open this tunnel', {
        detail: comparisonOf(origin, expectedOrigin(req)),
      });
    }
    // On a unix socket the peer is a reverse proxy, which knows its own names; no browser reaches the socket.
    if (req.socket.localAddress === undefined) return true;
    const { host = '' } = parseOrigin(origin) ?? {};
    if (names.has(host)) return true;
    const name = cut(host, MAX_SHOWN);
    const way = `--name ${name} (or --origin) to allow its pages`;
    report(shownOrigin(origin), `unknown server name; start with ${way}`);
    throw new TunnelError(
      'WSTUNNEL_ORIGIN_REFUSED',
      `"${name}" is not a known name of this server: start it with ${way}`,
    );
  };
}

/** A page of another host, port or scheme than the request asks for: a foreign page, or a proxy that changes the Host. */
function wayForOther(origin: string, req: IncomingMessage): string {
  const way = optionFor(origin);
  const { headers, socket } = req;
  if (trustsPeer(req) || !isNamedBy(origin, firstOf(headers['x-forwarded-host'])))
    return `the request was for ${cut(ownOrigin(req), MAX_SHOWN)}; ${way}`;
  const peer = socket.remoteAddress === undefined ? 'unix' : normalizeAddress(socket.remoteAddress);
  return `if ${peer} is your proxy, --trust-proxy ${peer} trusts its X-Forwarded-Host; otherwise ${way}`;
}

function isNamedBy(origin: string, forwarded: string | undefined): boolean {
  const page = parseOrigin(origin);
  return page !== undefined && parseOrigin(`${page.scheme}//${forwarded ?? ''}`)?.host === page.host;
}

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
import { normalizeAddress } from '../../../request/client-address.js';
import { cut } from '../../../helpers/one-line.js';
import { firstOf, trustsPeer } from '../../../request/proxy-trust.js';
import type { ServerNames } from './server-names.js';
import { optionFor } from './refused-origins.js';

/** The longest name in a message, in characters: a client may send 16 KiB. */
const MAX_SHOWN = 253;

/**
 * The default origin check (without `--origin`): the origin must be the request's own, and its host a name of this server (see
 * {@link ServerNames}). `report` gets each refused origin and the option that allows it, since browsers do not show why a WebSocket was
 * refused.
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
    // The peer of a unix socket is a reverse proxy, which checks its own names. Browsers can't reach the socket.
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

/** The advice for an origin that differs from the request's: the origin of another site, or a proxy that changes the Host header. */
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

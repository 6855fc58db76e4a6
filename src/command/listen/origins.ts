import type { IncomingMessage } from 'node:http';
import { TunnelError } from '../../errors.js';
import { isSameOrigin, parseOrigin } from '../../guard/origin.js';
import { cut } from '../../helpers/one-line.js';
import type { ServerNames } from './names.js';

/** Characters of a name in a message: a client may send 16 KiB. */
const MAX_SHOWN = 253;

/**
 * The check where no `--origin` is given: the same origin, under a name of this server (see {@link ServerNames}). `warn` gets the
 * first refused name: a browser does not show the reason of a refused WebSocket.
 */
export function sameNamedOrigin(names: ServerNames, warn: (line: string) => void) {
  let hasWarned = false;
  return (origin: string | undefined, req: IncomingMessage): boolean => {
    if (!isSameOrigin(origin, req)) return false;
    // On a unix socket the peer is a reverse proxy, which knows its own names; no browser reaches the socket.
    if (origin === undefined || req.socket.localAddress === undefined) return true;
    const { host = '' } = parseOrigin(origin) ?? {};
    if (names.has(host)) return true;
    const name = cut(host, MAX_SHOWN);
    const way = `--name ${name} (or --origin) to allow its pages`;
    if (!hasWarned) warn(`a page of "${name}" was refused: the name is not known; start with ${way}`);
    hasWarned = true;
    throw new TunnelError(
      'WSTUNNEL_ORIGIN_REFUSED',
      `"${name}" is not a known name of this server: start it with ${way}`,
    );
  };
}

import { isIP } from 'node:net';
import { listenPathFault, isAbstractSocket } from '../../sockets/socket-path.js';
import { failAt, type Place } from '../syntax/source.js';

/** An address for `server.listen()`: an address and port, or the path of a unix socket. */
export interface ListenAddress {
  /** Default if `server.port` is not set: as in lighttpd, 80, or 443 under `ssl.engine`. */
  port?: number;
  /** IPv6 without brackets. Default: every address. */
  bind?: string;
  /** Path of a unix socket, instead of the other two. */
  socket?: string;
}

/** Reads the text that a condition compares with `$SERVER["socket"]`: an address and a port, or a path. `port` is the default. */
export function readSocketCondition(text: string, port: number, place: Place): ListenAddress {
  if (text.startsWith('/')) return { socket: text };
  refuseAbstractSocket(text, place, '$SERVER["socket"]');
  const [, address = '', digits] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const own = digits === undefined ? port : Number(digits);
  const bind = address.replace(/^\[(.*)\]$/, '$1');
  const isIpv6 = address.startsWith('[');
  if (own > 65535 || text === '' || (isIpv6 && bind !== '' && isIP(bind) !== 6))
    return failAt(
      place,
      '$SERVER["socket"] must be compared with an address and port such as "[::]:80", or with the path of a unix socket',
    );
  const anywhere = isIpv6 ? '::' : undefined;
  const named = bind === '' || bind === '*' ? anywhere : bind;
  return { port: own, ...(named === undefined ? {} : { bind: named }) };
}

/** Without this check, the name of an abstract socket would be looked up as a host name. */
export function refuseAbstractSocket(text: string, place: Place, name: string): void {
  if (isAbstractSocket(text)) failAt(place, `${name}: ${listenPathFault(text) ?? ''}`);
}

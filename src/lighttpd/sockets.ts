import { isIP } from 'node:net';
import { listenPathFault, isAbstractSocket } from '../sockets/socket-path.js';
import { failAt, type Place } from './source.js';

/** For `server.listen()`: an address and port, or the path of a unix socket. */
export interface ListenAddress {
  /** Without `server.port` lighttpd's 80, under `ssl.engine` 443. */
  port?: number;
  /** IPv6 without brackets. Left out, every address. */
  bind?: string;
  /** Path of a unix socket; then there are no others. */
  socket?: string;
}

/** What `$SERVER["socket"]` is compared with: an address and a port, or a path. `port`: where it has none. */
export function readSocket(text: string, port: number, place: Place): ListenAddress {
  if (text.startsWith('/')) return { socket: text };
  checkNotAbstract(text, place, '$SERVER["socket"]');
  const [, address = '', digits] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const own = digits === undefined ? port : Number(digits);
  const bind = address.replace(/^\[(.*)\]$/, '$1');
  const isIpv6 = address.startsWith('[');
  if (own > 65535 || text === '' || (isIpv6 && bind !== '' && isIP(bind) !== 6))
    return failAt(
      place,
      '$SERVER["socket"] is an address with a port such as "[::]:80", or the path of a unix socket',
    );
  const anywhere = isIpv6 ? '::' : undefined;
  const named = bind === '' || bind === '*' ? anywhere : bind;
  return { port: own, ...(named === undefined ? {} : { bind: named }) };
}

/** No host is called so; the system would say that the name is not known. */
export function checkNotAbstract(text: string, place: Place, name: string): void {
  if (isAbstractSocket(text)) failAt(place, `${name}: ${listenPathFault(text) ?? ''}`);
}

import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import type { ResolvedHost } from './host.js';

// Resumed only with the very settings that the session was made with: what they verified is not verified again.
const sessions = new WeakMap<ResolvedHost, Buffer>();

/** TLS on a connection that is there; the certificate must be that of the host's name. */
export function startTls(transport: Duplex, settings: ResolvedHost): TLSSocket {
  const isTcp = settings.socket === undefined && settings.connect === undefined;
  const { host = isTcp ? '127.0.0.1' : 'localhost', tls, secureContext } = settings;
  const session = sessions.get(settings);
  const socket = connect({
    host,
    // An address is no server name (RFC 6066 section 3).
    ...(isIP(host) === 0 && { servername: host }),
    ...(typeof tls === 'object' && tls),
    ...(secureContext && { secureContext }),
    ...(session && { session }),
    socket: transport,
  });
  socket.on('session', (given) => sessions.set(settings, given));
  return socket;
}

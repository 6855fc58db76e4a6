import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { transportOf, type ResolvedHost } from './host.js';

// A TLS session is resumed only for the settings that created the session, since a resumption does not verify the certificate.
const sessions = new WeakMap<ResolvedHost, Buffer>();

/** Starts TLS on an open connection. The certificate must be valid for the name of the host. */
export function startTls(transport: Duplex, settings: ResolvedHost): TLSSocket {
  const isTcp = transportOf(settings).kind === 'tcp';
  const { host = isTcp ? '127.0.0.1' : 'localhost', tls, secureContext } = settings;
  const session = sessions.get(settings);
  const socket = connect({
    host,
    // An address must not be sent as a server name (RFC 6066 section 3).
    ...(isIP(host) === 0 && { servername: host }),
    // Without ALPN some servers expect HTTP/2.
    ...(settings.websocket && { ALPNProtocols: ['http/1.1'] }),
    ...(typeof tls === 'object' && tls),
    ...(secureContext && { secureContext }),
    ...(session && { session }),
    socket: transport,
  });
  socket.on('session', (given) => sessions.set(settings, given));
  return socket;
}

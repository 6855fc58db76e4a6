import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { ResolvedHost } from './host.js';

/** A TCP or unix socket on its way; nothing is read before somebody resumes it. */
export function connectTransport(host: ResolvedHost): Socket {
  // A backend that ends must still take what the client has sent.
  const common = { allowHalfOpen: true };
  const socket =
    host.socket === undefined
      ? connect({ ...common, ...tcpOptions(host) })
      : connect({ ...common, path: host.socket });
  return socket.pause();
}

function tcpOptions(host: ResolvedHost): TcpNetConnectOpts {
  return {
    host: host.host ?? '127.0.0.1',
    port: host.port ?? 0,
    noDelay: host.noDelay,
    keepAlive: host.keepAlive > 0,
    keepAliveInitialDelay: host.keepAlive * 1000,
    ...(host.localAddress !== undefined && { localAddress: host.localAddress }),
    ...(host.lookup && { lookup: host.lookup }),
  };
}

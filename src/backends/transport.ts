import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { PooledReads } from '../helpers/pooled-reads.js';
import type { ResolvedHost } from './host.js';

/** A TCP or unix socket on its way; nothing is read before somebody resumes it. */
export function connectTransport(host: ResolvedHost): Socket {
  // A backend that ends must still take what the client has sent.
  const common = { allowHalfOpen: true };
  // TLS reads by itself.
  const reads = host.tls === undefined || host.tls === false ? new PooledReads() : undefined;
  const onread = reads && { onread: reads.onread };
  const socket =
    host.socket === undefined
      ? connect({ ...common, ...onread, ...tcpOptions(host) })
      : connect({ ...common, ...onread, path: host.socket });
  reads?.belongTo(socket);
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

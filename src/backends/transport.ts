import { connect, isIP, type Socket, type TcpNetConnectOpts } from 'node:net';
import { ignoreErrors } from '../streams/ignore-errors.js';
import { PooledReads } from '../streams/pooled-reads.js';
import { connectToFirst } from './race.js';
import { kernelPath } from '../sockets/socket-path.js';
import type { ResolvedHost } from './host.js';

/**
 * A TCP or unix socket on its way; of a name with several addresses the first that is connected. Nothing is read before
 * somebody resumes it.
 */
export async function connectTransport(host: ResolvedHost, signal: AbortSignal): Promise<Socket> {
  const { socket: path, host: name = '127.0.0.1', lookup, localAddress, connectTimeout: timeout } = host;
  if (path !== undefined) return open(host, { path: kernelPath(path) });
  const to = (address: string) => open(host, tcpOptions(host, address));
  if (isIP(name) !== 0) return to(name);
  return connectToFirst({ host: name, timeout, lookup, localAddress }, signal, to);
}

function open({ tls }: ResolvedHost, where: TcpNetConnectOpts | { path: string }): Socket {
  // TLS reads by itself.
  const reads = tls === undefined || tls === false ? new PooledReads() : undefined;
  // A backend that ends must still take what the client has sent.
  const socket = connect({ allowHalfOpen: true, ...(reads && { onread: reads.onread }), ...where });
  // It may fail before the promise of it is heard.
  ignoreErrors(socket);
  reads?.belongTo(socket);
  return socket.pause();
}

function tcpOptions(host: ResolvedHost, address: string): TcpNetConnectOpts {
  return {
    host: address,
    port: host.port ?? 0,
    noDelay: host.noDelay,
    keepAlive: host.keepAlive > 0,
    keepAliveInitialDelay: host.keepAlive * 1000,
    ...(host.localAddress !== undefined && { localAddress: host.localAddress }),
  };
}

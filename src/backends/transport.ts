import {
  connect,
  isIP,
  type IpcNetConnectOpts,
  type OnReadOpts,
  type Socket,
  type TcpNetConnectOpts,
} from 'node:net';
import type { Duplex } from 'node:stream';
import type { AbortState } from '../helpers/abort.js';
import { kernelPath } from '../sockets/socket-path.js';
import { ignoreErrors } from '../streams/ignore-errors.js';
import { PooledReads } from '../streams/pooled-reads.js';
import { transportOf, type ResolvedHost } from './host.js';
import { connectToFirst } from './race.js';
import { takeStream } from './stream.js';

/**
 * The stream to a host, without TLS, connected or still connecting. For a name with several addresses: the stream to the address
 * that accepts first. A socket is paused: no bytes are read before the caller resumes the socket.
 */
export function openTransport(host: ResolvedHost, signal: AbortState): Duplex | Promise<Duplex> {
  const transport = transportOf(host);
  switch (transport.kind) {
    case 'stream':
      return takeStream(transport.connect, signal);
    case 'unix':
      return openSocket(host, { path: kernelPath(transport.path), allowHalfOpen: true });
    case 'tcp': {
      const openTo = (address: string) => openSocket(host, tcpOptions(host, address, transport.port));
      if (isIP(transport.host) !== 0) return openTo(transport.host);
      const { lookup, localAddress, connectTimeout: timeout } = host;
      return connectToFirst({ host: transport.host, timeout, lookup, localAddress }, signal, openTo);
    }
  }
}

// After the backend has ended its direction, bytes of the client must still reach the backend.
type Where = (TcpNetConnectOpts | IpcNetConnectOpts) & { allowHalfOpen: true; onread?: OnReadOpts };

function openSocket({ tls, websocket, isBare }: ResolvedHost, where: Where): Socket {
  // Under TLS, the TLS socket does the reading. In `bytes` mode the decoder of frames reads, and may keep its chunks.
  const isPooled = (tls === undefined || tls === false) && websocket?.mode !== 'bytes' && isBare !== true;
  const reads = isPooled ? new PooledReads() : undefined;
  if (reads) where.onread = reads.onread;
  const socket = connect(where);
  // The socket may fail before the caller can add a listener.
  ignoreErrors(socket);
  reads?.belongTo(socket);
  return socket.pause();
}

function tcpOptions(host: ResolvedHost, address: string, port: number): Where {
  const options: Where = {
    host: address,
    port,
    allowHalfOpen: true,
    noDelay: host.noDelay,
    keepAlive: host.keepAlive > 0,
    keepAliveInitialDelay: host.keepAlive * 1000,
  };
  if (host.localAddress !== undefined) options.localAddress = host.localAddress;
  return options;
}

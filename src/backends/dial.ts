import { connect, isIP, type Socket, type TcpNetConnectOpts } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { messageOf, TunnelError } from '../errors.js';
import type { ResolvedHost } from './host.js';

// Resumed only with the very settings that the session was made with: what they verified is not verified again.
const sessions = new WeakMap<ResolvedHost, Buffer>();

/**
 * Connects to a host: its name is resolved now, all addresses are tried; then TLS, where the host wants it. The socket is
 * handed over paused, so that a banner sent at once (VNC, SSH) waits for the relay. Rejects with 502, 504, or the signal's
 * reason.
 */
export function dial(host: ResolvedHost, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const transport = connectTransport(host);
    let socket: Socket = transport;
    const settle = () => {
      clearTimeout(timer);
      transport.off('connect', onConnect);
      socket.off('secureConnect', onReady);
      signal.removeEventListener('abort', onAbort);
      for (const one of new Set([transport, socket])) {
        one.off('error', onError);
        // Until the relay listens: it looks at `destroyed` when it starts.
        one.on('error', () => undefined);
      }
    };
    const giveUp = (reason: Error) => {
      settle();
      socket.destroy();
      transport.destroy();
      reject(reason);
    };
    const onConnect = () => {
      if (host.tls === undefined || host.tls === false) {
        onReady();
        return;
      }
      socket = secure(transport, host);
      socket.on('error', onError);
      socket.on('secureConnect', onReady);
    };
    const onReady = () => {
      settle();
      socket.pause();
      resolve(socket);
    };
    const onError = (error: Error) => {
      giveUp(
        new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend could not be reached', {
          cause: withAllCauses(error),
        }),
      );
    };
    const onAbort = () => giveUp(signal.reason as Error);
    const timer = setTimeout(
      () => giveUp(new TunnelError('WSTUNNEL_BACKEND_TIMEOUT', 'the backend did not answer in time')),
      host.connectTimeout * 1000,
    );
    transport.on('connect', onConnect);
    transport.on('error', onError);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}

function connectTransport(host: ResolvedHost): Socket {
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

/** TLS on a connection that is there; the certificate must be that of the host's name. */
function secure(transport: Socket, settings: ResolvedHost): TLSSocket {
  const { host = settings.socket === undefined ? '127.0.0.1' : 'localhost', tls, secureContext } = settings;
  const session = sessions.get(settings);
  const socket = connectTls({
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

/** A name with several addresses fails with one error for each, and an empty message. */
function withAllCauses(error: Error): Error {
  if (!(error instanceof AggregateError) || error.message !== '') return error;
  return new Error(error.errors.map(messageOf).join('; '), { cause: error });
}

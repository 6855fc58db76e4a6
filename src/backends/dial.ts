import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { messageOf, TunnelError } from '../errors.js';
import type { Host } from '../types.js';

/** A host with its defaults filled in. */
export type ResolvedHost = Readonly<
  Host &
    Required<
      Pick<Host, 'connectTimeout' | 'disableTime' | 'readTimeout' | 'writeTimeout' | 'noDelay' | 'keepAlive'>
    >
>;

/**
 * Connects to a host: its name is resolved now, all addresses are tried. The socket is handed over paused, so that a
 * banner sent at once (VNC, SSH) waits for the relay. Rejects with 502, 504, or the signal's reason.
 */
export function dial(host: ResolvedHost, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // A backend that ends must still take what the client has sent.
    const common = { allowHalfOpen: true };
    const socket =
      host.socket === undefined
        ? connect({ ...common, ...tcpOptions(host) })
        : connect({ ...common, path: host.socket });
    socket.pause();
    const settle = () => {
      clearTimeout(timer);
      socket.off('connect', onConnect);
      socket.off('error', onError);
      signal.removeEventListener('abort', onAbort);
    };
    const giveUp = (reason: Error) => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(reason);
    };
    const onConnect = () => {
      settle();
      // Until the relay listens: it looks at `destroyed` when it starts.
      socket.on('error', () => undefined);
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
    socket.on('connect', onConnect);
    socket.on('error', onError);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
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

/** A name with several addresses fails with one error for each, and an empty message. */
function withAllCauses(error: Error): Error {
  if (!(error instanceof AggregateError) || error.message !== '') return error;
  return new Error(error.errors.map(messageOf).join('; '), { cause: error });
}

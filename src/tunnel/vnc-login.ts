import type { Duplex } from 'node:stream';
import { continueWithin } from '../backends/dial.js';
import type { ResolvedHost } from '../backends/host.js';
import { startAnonymousTls, startTls } from '../backends/tls.js';
import { TunnelError } from '../errors.js';
import type { AbortState } from '../helpers/abort.js';
import { timeSince } from '../observe/story.js';
import { carriedBy, carrierOf } from '../streams/carrier.js';
import { ignoreErrors } from '../streams/ignore-errors.js';
import { loginToBackend, type StartTls } from '../vnc/backend-login.js';
import type { ClientIdentity, TunnelContext } from './context.js';
import type { VncLogin } from './vnc.js';

/** The host as it is dialled for a login. TLS of a `wss:` URL belongs to the WebSocket, and starts with the connection. */
export function bareOf(host: ResolvedHost): ResolvedHost {
  return host.websocket ? host : Object.freeze({ ...host, isBare: true as const });
}

/**
 * Logs in to the VNC server on an open connection, which is destroyed after a failure. Rejects with WSTUNNEL_VNC_REFUSED, which is final for
 * the request and no sign of an outage, with the refusals of a lost connection, or with the signal's reason.
 */
export async function logIn(
  { loginPauses, log }: Pick<TunnelContext, 'loginPauses' | 'log'>,
  client: ClientIdentity,
  host: ResolvedHost,
  socket: Duplex,
  login: VncLogin,
  signal: AbortState,
): Promise<Duplex> {
  const start = performance.now();
  try {
    const stream = await continueWithin(host, socket, signal, (within) =>
      loginPauses.guard(host.id, login.password, () => loginToBackend(socket, login, tlsOf(host), within)),
    );
    client.story?.tell('backend', 'logged in to the VNC server %s after %s', host.id, timeSince(start));
    return stream;
  } catch (error) {
    if (error instanceof TunnelError && error.code === 'WSTUNNEL_VNC_REFUSED') {
      const why = error.detail === undefined ? error.message : `${error.message}: ${error.detail}`;
      client.failed = { backend: host.id, failure: why };
      log('backend', 'warn', '%s backend %s: %s', client.id, host.id, why);
    }
    throw error;
  }
}

/** VeNCrypt starts TLS in the middle of the connection, with the settings of the host. */
function tlsOf(host: ResolvedHost): StartTls | undefined {
  if (host.tls === undefined || host.tls === false || host.websocket) return undefined;
  const isUnchecked = typeof host.tls === 'object' && host.tls.rejectUnauthorized === false;
  return (socket, kind) => {
    if (kind === 'anonymous' && !isUnchecked)
      throw new TunnelError(
        'WSTUNNEL_VNC_REFUSED',
        'the VNC server offers only TLS without a certificate, so that anybody could be the server',
        { detail: `to accept this for ${host.id}, set tls: { rejectUnauthorized: false }` },
      );
    const tls = kind === 'x509' ? startTls(socket, host) : startAnonymousTls(socket);
    return ignoreErrors(carriedBy(tls, carrierOf(socket)));
  };
}

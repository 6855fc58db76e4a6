import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { continueWithin } from '../backends/dial.js';
import type { ResolvedHost } from '../backends/host.js';
import { startTls } from '../backends/tls.js';
import { TunnelError } from '../errors.js';
import type { AbortState } from '../helpers/abort.js';
import { timeSince } from '../observe/story.js';
import { carriedBy, carrierOf } from '../streams/carrier.js';
import { ignoreErrors } from '../streams/ignore-errors.js';
import { anonymousTls } from '../vnc/anonymous-tls.js';
import { loginToBackend, type StartTls } from '../vnc/backend-login.js';
import type { ClientIdentity } from './context.js';
import type { VncLogin } from './vnc.js';

/** The host as it is dialled for a login. TLS of a `wss:` URL belongs to the WebSocket, and starts with the connection. */
export function bareOf(host: ResolvedHost): ResolvedHost {
  return host.websocket ? host : Object.freeze({ ...host, isBare: true as const });
}

/**
 * Logs in to the VNC server on an open connection, which is destroyed after a failure. Dial, which began at `dialled`, and login share one
 * `connectTimeout`. Rejects with WSTUNNEL_VNC_REFUSED, which is final for
 * the request and no sign of an outage, with the refusals of a lost connection, or with the signal's reason.
 */
export async function logIn(
  client: ClientIdentity,
  host: ResolvedHost,
  socket: Duplex,
  login: VncLogin,
  signal: AbortState,
  dialled: number,
): Promise<Duplex> {
  const start = performance.now();
  const stream = await continueWithin(host, dialled, socket, signal, (within) =>
    loginToBackend(socket, login, tlsOf(host), within),
  );
  client.story?.tell('backend', 'logged in to the VNC server %s after %s', host.id, timeSince(start));
  return stream;
}

export function isVncRefusal(error: unknown): error is TunnelError {
  return error instanceof TunnelError && error.code === 'WSTUNNEL_VNC_REFUSED';
}

/** For the operator. */
export function reasonOf({ message, detail }: TunnelError): string {
  return detail === undefined ? message : `${message}: ${detail}`;
}

/** TLS that starts when the login needs it, with the settings of the host. */
function tlsOf(host: ResolvedHost): StartTls | undefined {
  const { tls } = host;
  if (tls === undefined || tls === false || host.websocket) return undefined;
  return (socket, kind) => {
    const encrypted = kind === 'x509' ? startTls(socket, host) : connect({ ...anonymousTls(tls), socket });
    return ignoreErrors(carriedBy(encrypted, carrierOf(socket)));
  };
}

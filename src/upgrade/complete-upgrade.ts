import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { asRefusal, TunnelError } from '../errors.js';
import { accept, type Accepted } from './switch-protocols.js';
import { answerBare } from './refusal-response.js';
import { clientGone, draining } from './opening-attempt.js';
import type { ClaimedSocket, PendingUpgrade } from './pending-upgrade.js';

/** Middleware may answer behind our back, clients leave, servers stop: nothing of that may open a tunnel. */
export function checkStillWaiting(pending: PendingUpgrade, res: ServerResponse): void {
  if (pending.state === 'waiting') return;
  if (pending.state === 'gone') throw clientGone();
  if (pending.state === 'stopped') throw draining();
  throw new TunnelError('WSTUNNEL_ANSWERED', 'the app answered the request itself', {
    status: res.statusCode,
  });
}

/** All is ready, and the app's response is finished: send the 101. `backend` is none where only a Close will follow. */
export function upgrade(
  req: IncomingMessage,
  claimed: ClaimedSocket,
  subprotocol: string | undefined,
  backend: Duplex | undefined,
  signal: AbortSignal,
): Accepted {
  const { socket, head, headers } = claimed;
  // What happened while the response was finished counts as well.
  const late = signal.aborted ? asRefusal(signal.reason) : claimed.isServed() ? undefined : draining();
  if (late) {
    answerBare(socket, late.status);
    throw late;
  }
  if (backend?.destroyed) {
    answerBare(socket, 502);
    throw new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend left before the tunnel opened');
  }
  const accepted = accept(req, socket, head, { subprotocol, headers });
  if (accepted) return accepted;
  socket.destroy();
  throw clientGone();
}

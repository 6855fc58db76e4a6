import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { asRefusal, TunnelError } from '../errors.js';
import type { AbortState } from '../helpers/abort.js';
import type { UpgradedSocket } from '../internals/ws.js';
import { clientGone, serverDraining } from './opening-attempt.js';
import type { ClaimedSocket, PendingUpgrade } from './pending-upgrade.js';
import { respondOnSocket } from './refusal-response.js';
import { switchProtocols, type ChosenFields } from './switch-protocols.js';

/** Throws the refusal if the upgrade can no longer be claimed: the app has answered, the client left, or the server stopped. */
export function checkStillWaiting(pending: PendingUpgrade, res: ServerResponse): void {
  if (pending.state === 'waiting') return;
  if (pending.state === 'gone') throw clientGone();
  if (pending.state === 'stopped') throw serverDraining();
  throw new TunnelError('WSTUNNEL_ANSWERED', 'the app answered the request itself', {
    status: res.statusCode,
  });
}

/**
 * Sends the 101 response, after the app's own response is finished. `backend` is undefined if only a Close will follow. Throws
 * the refusal, already answered, if the client, the server, the backend or the signal prevent the 101 response.
 */
export function completeUpgrade(
  req: IncomingMessage,
  claimed: ClaimedSocket,
  chosen: ChosenFields,
  backend: Duplex | undefined,
  signal: AbortState,
): UpgradedSocket {
  const { socket, head, headers } = claimed;
  // The signal or the server may have changed while the app's response was being finished.
  const late = signal.aborted ? asRefusal(signal.reason) : claimed.isServed() ? undefined : serverDraining();
  if (late) {
    respondOnSocket(socket, late.status);
    throw late;
  }
  if (backend?.destroyed) {
    respondOnSocket(socket, 502);
    throw new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend disconnected before the tunnel opened');
  }
  const upgraded = switchProtocols(req, socket, head, { ...chosen, headers });
  if (upgraded) return upgraded;
  socket.destroy();
  throw clientGone();
}

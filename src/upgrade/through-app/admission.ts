import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { UNCOUNTED, type Lease } from '../../helpers/lease.js';
import { answerBare } from '../refusal-response.js';
import type { UpgradeTarget } from '../attachable-tunnel.js';
import { whenAnswered } from './pipelining.js';

/**
 * A place among the openings of the tunnel that an upgrade leads to: from here on the request costs memory, and the app may
 * keep it for long. Undefined where there is none, and the request is refused. Without a target nothing is counted here: the
 * tunnel counts the request when it sees it.
 */
export function admit(
  target: UpgradeTarget | undefined,
  req: IncomingMessage,
  socket: Duplex,
): Lease | undefined {
  const place = target?.start(req) ?? UNCOUNTED;
  if ('release' in place) return place;
  ignoreErrors(socket);
  whenAnswered(socket, () => answerBare(socket, place.status, place));
  return undefined;
}

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { UNCOUNTED, type Lease } from '../../helpers/lease.js';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import type { AttachableTunnel } from '../attachable-tunnel.js';
import { respondOnSocket } from '../refusal-response.js';
import { afterEarlierResponses } from './pipelining.js';

/**
 * Takes a slot among the openings of the tunnel that an upgrade leads to: from here on the request costs memory, and the app may
 * take a long time to answer. Undefined if no slot is free; the request is then refused. Without a known tunnel no slot is taken
 * here: the tunnel counts the request on arrival.
 */
export function admitUpgrade(
  tunnel: AttachableTunnel | undefined,
  req: IncomingMessage,
  socket: Duplex,
): Lease | undefined {
  const slot = tunnel?.start(req) ?? UNCOUNTED;
  if ('release' in slot) return slot;
  ignoreErrors(socket);
  afterEarlierResponses(socket, () => respondOnSocket(socket, slot.status, slot));
  return undefined;
}

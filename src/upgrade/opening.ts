import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { ignoreErrors } from '../helpers/ignore-errors.js';
import { UNCOUNTED, type Lease } from '../helpers/lease.js';
import { pathOf } from '../helpers/path.js';
import { answerBare } from './answer.js';
import type { Binding, SeamUser } from './attach.js';
import { asksForWebSocket } from './handshake.js';
import { furthest, reachOf, type Reach } from './look-inside.js';
import { whenAnswered } from './turn.js';

/**
 * A place among the openings of the tunnel that an upgrade leads to: from here on the request costs memory, and the app may
 * keep it for long. Undefined where there is none, and the request is refused. What may be another listener's is not counted:
 * the tunnel counts the request when it sees it.
 */
export function admit(
  server: Server,
  users: ReadonlyMap<SeamUser, Binding>,
  req: IncomingMessage,
  socket: Duplex,
  hasOthers: boolean,
): Lease | undefined {
  const place = destinationOf(server, users, req, hasOthers)?.start?.(req) ?? UNCOUNTED;
  if ('release' in place) return place;
  ignoreErrors(socket);
  whenAnswered(socket, () => answerBare(socket, place.status, place));
  return undefined;
}

/** Of several tunnels the one that was bound last: the command binds a new one where it has read new settings. */
function destinationOf(
  server: Server,
  users: ReadonlyMap<SeamUser, Binding>,
  req: IncomingMessage,
  hasOthers: boolean,
): SeamUser | undefined {
  const path = asksForWebSocket(req) ? pathOf(req) : undefined;
  if (path === undefined) return undefined;
  const listeners = server.listeners('request');
  const reachTo = (user: SeamUser, { byHand, owns }: Binding): Reach => {
    if (owns) return owns(path) ? 'yes' : 'no';
    const seen = furthest(listeners.map((listener) => reachOf(listener, user, path)));
    return seen === 'no' && byHand ? 'maybe' : seen;
  };
  const reaches = Array.from(users, ([user, binding]) => ({ user, reach: reachTo(user, binding) }));
  const known = reaches.findLast(({ reach }) => reach === 'yes');
  return (known ?? (hasOthers ? undefined : reaches.findLast(({ reach }) => reach === 'maybe')))?.user;
}

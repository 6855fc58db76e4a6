import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '../observe/log.js';
import { asksForWebSocket, isPlainHandshake } from './handshake.js';
import { handleAsOrdinary } from './ordinary.js';
import { UpgradeThroughApp } from './through-app.js';

/** A tunnel, as the seam of a server sees it. */
export interface SeamUser {
  readonly handshakeTimeout: number;
  readonly log: Log;
}

type UpgradeListener = (this: Server, req: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** One per server, shared by all its tunnels, also those of another copy of this package. */
interface Seam {
  readonly users: Set<SeamUser>;
  readonly onUpgrade: UpgradeListener;
}

const SEAM = Symbol.for('express-wstunnel.seam.1');

type SeamServer = Server & { [SEAM]?: Seam | undefined };

/** Makes upgrades on `server` pass through its app. False where they already did for this tunnel. */
export function attachTo(server: Server, user: SeamUser): boolean {
  const carrier: SeamServer = server;
  const seam = (carrier[SEAM] ??= openSeam(server));
  if (seam.users.has(user)) return false;
  seam.users.add(user);
  return true;
}

/** The last tunnel takes the listener with it: the server is as it was. */
export function detachFrom(server: Server, user: SeamUser): void {
  const carrier: SeamServer = server;
  const seam = carrier[SEAM];
  if (!seam?.users.delete(user) || seam.users.size > 0) return;
  server.off('upgrade', seam.onUpgrade);
  carrier[SEAM] = undefined;
}

function openSeam(server: Server): Seam {
  const users = new Set<SeamUser>();
  let warned = false;
  const onUpgrade: UpgradeListener = (req, socket, head) => {
    const others = server.listeners('upgrade').some((listener) => listener !== onUpgrade);
    if (others) {
      // Two answers on one socket would be worse than none of ours.
      if (asksForWebSocket(req) && !warned) warnOfOthers(users);
      warned = true;
      return;
    }
    if (!isPlainHandshake(req)) {
      handleAsOrdinary(server, req, socket, head);
      return;
    }
    new UpgradeThroughApp(server, req, socket, head).start(longestHandshake(users));
  };
  server.on('upgrade', onUpgrade);
  return { users, onUpgrade };
}

function warnOfOthers(users: Iterable<SeamUser>): void {
  for (const { log } of users)
    log('upgrade', 'warn', "the server has another 'upgrade' listener: upgrades are left to it");
}

/** Which tunnel a request will reach is not known yet. */
function longestHandshake(users: Iterable<SeamUser>): number {
  return Math.max(...Array.from(users, (user) => user.handshakeTimeout));
}

import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { pathOf } from '../helpers/path.js';
import type { TunnelError } from '../errors.js';
import type { Lease } from '../helpers/lease.js';
import { asksForWebSocket, isPlainHandshake } from './handshake.js';
import { furthest, reachOf, type Reach, type Wanted } from './look-inside.js';
import { takeStreams, type ServerStreamEvent } from './http2/gateway.js';
import { announceConnect, isHttp2 } from './http2/server.js';
import { admit } from './opening.js';
import { handleAsOrdinary } from './ordinary.js';
import { UpgradeThroughApp } from './through-app.js';

/** A tunnel, as the seam of a server sees it. */
export interface SeamUser extends Wanted {
  readonly handshakeTimeout: number;
  /** Counts a request that leads to this tunnel, or says why it is refused. Older copies of this package have none. */
  start?(req: IncomingMessage): Lease | TunnelError;
}

/** How a tunnel was bound to a server. */
export interface Binding {
  /** By hand: the app may hide the tunnel from view. */
  readonly byHand: boolean;
  /** The only paths that lead to it; undefined where they are not known. */
  readonly owns: ((path: string) => boolean) | undefined;
  /** Whatever the app answers on those paths is final. */
  readonly exclusive: boolean;
}

/** One per server, shared by all its tunnels, also those of another copy of this package. */
interface Seam {
  readonly users: Map<SeamUser, Binding>;
  /** Listens again where somebody removed all listeners; false where nobody did. */
  listen(): boolean;
  close(): void;
}

/** As much of a request as decides whose it is. */
type Asked = Pick<IncomingMessage, 'url' | 'headers'>;

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

const SEAM = Symbol.for('express-wstunnel.seam.1');

type SeamServer = Server & { [SEAM]?: Seam | undefined };

/**
 * Makes upgrades on `server` pass through its app. What was bound by hand stays as it was bound, until it is bound by
 * hand again. False where it was bound already.
 */
export function attachTo(server: Server, user: SeamUser, binding: Binding): boolean {
  const carrier: SeamServer = server;
  const seam = (carrier[SEAM] ??= openSeam(server));
  seam.listen();
  const known = seam.users.get(user);
  if (!known || binding.byHand) seam.users.set(user, binding);
  return known === undefined;
}

export function isAttachedTo(server: Server, user: SeamUser): boolean {
  const carrier: SeamServer = server;
  const seam = carrier[SEAM];
  return seam !== undefined && seam.users.has(user) && !seam.listen();
}

/** The last tunnel takes the seam with it: the server is as it was. */
export function detachFrom(server: Server, user: SeamUser): void {
  const carrier: SeamServer = server;
  const seam = carrier[SEAM];
  if (!seam?.users.delete(user) || seam.users.size > 0) return;
  seam.close();
  carrier[SEAM] = undefined;
}

/**
 * Upgrades are looked at in the server's `emit`, before any listener: a greedy one beside ours would answer as well, and
 * an EventEmitter can't stop it.
 */
function openSeam(server: Server): Seam {
  const users = new Map<SeamUser, Binding>();
  // Node asks for a listener before it treats a request as an upgrade.
  const marker = () => undefined;
  const had = Object.hasOwn(server, 'emit');
  const { emit: before } = server as unknown as { emit: Emit };
  const pass: Emit = (...args) => Reflect.apply(before, server, args);

  const hasOthers = () => server.listeners('upgrade').some((listener) => listener !== marker);

  const streams = isHttp2(server)
    ? takeStreams(server, {
        reach: (req) => reachOfAny(server, users, req),
        admit: (req, socket, others) => admit(server, users, req, socket, others),
        handshakeTimeout: () => longestHandshake(users),
        pass: (args) => void pass('stream', ...args),
      })
    : undefined;
  const unannounce = isHttp2(server) ? announceConnect(server) : () => undefined;

  const wrapper: Emit = (event, ...args) => {
    if (event === 'stream' && streams) return streams(args as ServerStreamEvent) || pass(event, ...args);
    if (event !== 'upgrade') return pass(event, ...args);
    const [req, socket, head] = args as [IncomingMessage, Duplex, Buffer];
    const others = hasOthers();
    const reach = others ? reachOfAny(server, users, req) : 'yes';
    if (reach === 'no') return pass(event, ...args);
    if (!isPlainHandshake(req)) {
      // Not ours to take where others listen for it, unless it is a bad handshake with one of our tunnels.
      if (others && reach === 'maybe') return pass(event, ...args);
      handleAsOrdinary(server, req, socket, head);
      return true;
    }
    const place = admit(server, users, req, socket, others);
    if (!place) return true;
    const upgrade = new UpgradeThroughApp(server, req, socket, head, place);
    upgrade.start(longestHandshake(users), reach === 'maybe' ? () => pass(event, ...args) : undefined);
    return true;
  };

  // Newer Node asks before it takes the parser away: what we would give back stays an ordinary request from the start.
  const unask = decideUpgrades(server, (req, ask) => {
    const isPlain = isPlainHandshake(req);
    if (!hasOthers()) return isPlain;
    const reach = reachOfAny(server, users, req);
    if (reach === 'no') return ask();
    return isPlain || (reach === 'maybe' && ask());
  });

  const listen = () => {
    if (server.listeners('upgrade').includes(marker)) return false;
    server.on('upgrade', marker);
    return true;
  };
  listen();
  server.emit = wrapper as Server['emit'];
  return {
    users,
    listen,
    close: () => {
      unask();
      unannounce();
      server.off('upgrade', marker);
      // Somebody may have wrapped ours in turn: it stays below theirs, where without the marker no upgrade comes to it.
      if (server.emit !== wrapper) return;
      if (had) server.emit = before as Server['emit'];
      else Reflect.deleteProperty(server, 'emit');
    },
  };
}

type UpgradeDecision = (req: IncomingMessage) => boolean;

/** Sets `shouldUpgradeCallback` (Node >= 22.21 and >= 24.9) and returns what sets it back. */
function decideUpgrades(
  server: Server & { shouldUpgradeCallback?: UpgradeDecision },
  decide: (req: IncomingMessage, ask: () => boolean) => boolean,
): () => void {
  const { shouldUpgradeCallback: before } = server;
  if (before === undefined) return () => undefined;
  const callback: UpgradeDecision = (req) => decide(req, () => Reflect.apply(before, server, [req]));
  server.shouldUpgradeCallback = callback;
  return () => {
    if (server.shouldUpgradeCallback === callback) server.shouldUpgradeCallback = before;
  };
}

/** Beside other listeners only what is known to reach a tunnel is ours, and what may is tried. */
function reachOfAny(server: Server, users: ReadonlyMap<SeamUser, Binding>, req: Asked): Reach {
  const path = pathOf(req);
  if (path === undefined || !asksForWebSocket(req)) return 'no';
  const listeners = server.listeners('request');
  const reach = furthest(
    Array.from(users, ([user, { byHand, owns, exclusive }]): Reach => {
      if (owns) return owns(path) ? (exclusive ? 'yes' : 'maybe') : 'no';
      const seen = furthest(listeners.map((listener) => reachOf(listener, user, path)));
      return seen === 'no' && byHand ? 'maybe' : seen;
    }),
  );
  // engine.io's own, which waits for no other answer.
  return reach === 'maybe' && /[?&]EIO=/.test(req.url ?? '') ? 'no' : reach;
}

/** Which tunnel a request will reach is not known yet. */
function longestHandshake(users: ReadonlyMap<SeamUser, Binding>): number {
  return Math.max(0, ...Array.from(users.keys(), (user) => user.handshakeTimeout));
}

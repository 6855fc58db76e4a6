import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { closeIfUnneeded, dispatcherOf, openDispatcher } from './attach.js';
import { addHomeless, hasHomeless, removeHomeless } from './unlocated-tunnels.js';
import { isHttp2 } from '../http2/extended-connect.js';
import { lookInside } from '../app/find-tunnels.js';
import type { UpgradeTarget } from '../attachable-tunnel.js';

// Node publishes every accepted connection here, synchronously, before a byte of it is read: in time for a tunnel that
// was only `app.use`d to listen for the very first request.
const ACCEPTED = 'net.server.socket';

// The tunnels that attach by themselves are only counted, and found in the apps: a process may make many and forget them, and
// the cost of a connection must not grow with their number.
const automatic = new Set<symbol>();
const ids = new WeakMap<UpgradeTarget, symbol>();
const collected = new FinalizationRegistry<symbol>((id) => forget(id));

/** Servers with a dispatcher that was opened here. */
let served: readonly WeakRef<HttpServer>[] = [];

/** Attaches the tunnel to every server whose app leads to it, from the next connection on. */
export function watchServers(target: UpgradeTarget): void {
  const id = Symbol('tunnel');
  if (automatic.size === 0) subscribe(ACCEPTED, onAccepted);
  automatic.add(id);
  ids.set(target, id);
  addHomeless(target);
  collected.register(target, id, target);
}

export function unwatchServers(target: UpgradeTarget): void {
  removeHomeless(target);
  collected.unregister(target);
  const id = ids.get(target);
  if (id) forget(id);
}

/** Are there open tunnels that attach by themselves? */
export function hasAutomatic(): boolean {
  return automatic.size > 0;
}

/** The tunnel has been closed, or collected. */
function forget(id: symbol): void {
  if (!automatic.delete(id)) return;
  if (automatic.size === 0) unsubscribe(ACCEPTED, onAccepted);
  served = served.filter((reference) => {
    const server = reference.deref();
    if (server) closeIfUnneeded(server, automatic.size > 0);
    return server !== undefined && dispatcherOf(server) !== undefined;
  });
}

function onAccepted(message: unknown): void {
  const { server } = (message as { socket: { server?: unknown } }).socket;
  if (!(server instanceof HttpServer || server instanceof HttpsServer || isHttp2(server))) return;
  // An https or http2 server has the interface of an http server.
  const http = server as HttpServer;
  const sight = lookInside(http.listeners('request'));
  const { targets, isWrapped, isHidden } = sight;
  const found = [...targets.keys()].filter((target) => target.isAutomatic());
  for (const target of found) removeHomeless(target);
  // Where other listeners get the upgrades, it is enough to notice the one that a hidden tunnel misses.
  const isSuspect = hasHomeless() && http.listenerCount('upgrade') > 0;
  if (found.length === 0 && !isWrapped && !isHidden && !isSuspect) return;
  if (!dispatcherOf(http)) served = [...served, new WeakRef(http)];
  openDispatcher(http).tend(sight);
}

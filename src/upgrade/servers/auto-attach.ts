import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { serverOf } from '../../internals/node-net.js';
import { findTunnels } from '../app/find-tunnels.js';
import type { AttachableTunnel } from '../attachable-tunnel.js';
import { isHttp2Server } from '../http2/extended-connect.js';
import { closeIfUnneeded, dispatcherOf, openDispatcher } from './attach.js';
import type { UpgradeDispatcher } from './upgrade-dispatcher.js';
import { addUnlocated, hasUnlocated, removeUnlocated } from './unlocated-tunnels.js';

// Node publishes every accepted connection here, synchronously, before reading any byte: early enough for a tunnel that was
// only mounted with `app.use` to handle the very first request.
const ACCEPTED = 'net.server.socket';

// Tunnels that attach automatically are only counted here; the apps lead to the tunnels. A process may create and forget many
// tunnels, and the cost of a connection must not grow with the number of tunnels.
const automatic = new Set<symbol>();
const ids = new WeakMap<AttachableTunnel, symbol>();
const collected = new FinalizationRegistry<symbol>((id) => forget(id));

/** Servers with a dispatcher for tunnels that attach automatically. */
let dispatched: readonly WeakRef<HttpServer>[] = [];
/** The same servers, for a look-up at each connection. */
const isDispatched = new WeakSet<HttpServer>();

/** Attaches the tunnel to all servers whose app leads to the tunnel, from the next connection on. */
export function watchServers(tunnel: AttachableTunnel): void {
  const id = Symbol('tunnel');
  if (automatic.size === 0) subscribe(ACCEPTED, onAccepted);
  automatic.add(id);
  ids.set(tunnel, id);
  addUnlocated(tunnel);
  collected.register(tunnel, id, tunnel);
}

export function unwatchServers(tunnel: AttachableTunnel): void {
  removeUnlocated(tunnel);
  collected.unregister(tunnel);
  const id = ids.get(tunnel);
  if (id) forget(id);
}

/** Are there open tunnels that attach automatically? */
export function hasAutomatic(): boolean {
  return automatic.size > 0;
}

/** The tunnel was closed or collected. */
function forget(id: symbol): void {
  if (!automatic.delete(id)) return;
  if (automatic.size === 0) unsubscribe(ACCEPTED, onAccepted);
  dispatched = dispatched.filter((reference) => {
    const server = reference.deref();
    if (server) closeIfUnneeded(server, automatic.size > 0);
    if (!server || dispatcherOf(server)) return server !== undefined;
    isDispatched.delete(server);
    return false;
  });
}

function onAccepted(message: unknown): void {
  const server = serverOf((message as { socket: object }).socket);
  if (!(server instanceof HttpServer || server instanceof HttpsServer || isHttp2Server(server))) return;
  // An https or http2 server has the interface of an http server.
  const http = server as HttpServer;
  const found = findTunnels(http.listeners('request'));
  const tunnels = [...found.targets.keys()].filter((tunnel) => tunnel.isAutomatic());
  for (const tunnel of tunnels) removeUnlocated(tunnel);
  // If other listeners get the upgrades, the dispatcher only reports upgrades that a hidden tunnel may have missed.
  const isSuspect = hasUnlocated() && http.listenerCount('upgrade') > 0;
  if (tunnels.length === 0 && !found.isWrapped && !found.isHidden && !isSuspect) return;
  dispatch(http).tend(found);
}

/** A request for this URL has reached a tunnel that attaches automatically and is hidden in the server's app. */
export function learnUrl(server: HttpServer, url: string, handshakeTimeout: number): void {
  dispatch(server).learn(url, handshakeTimeout);
}

function dispatch(server: HttpServer): UpgradeDispatcher {
  // `attach()` may have opened the dispatcher, and end before the automatic tunnels do.
  if (!isDispatched.has(server)) dispatched = [...dispatched, new WeakRef(server)];
  isDispatched.add(server);
  return openDispatcher(server);
}

import type { Server } from 'node:http';
import type { AttachableTunnel } from '../attachable-tunnel.js';
import type { Binding } from './bindings.js';
import { UpgradeDispatcher } from './upgrade-dispatcher.js';

// One dispatcher serves all tunnels of a server, including tunnels of another copy of this package.
const DISPATCHER = Symbol.for('express-wstunnel.dispatcher.1');

type MarkedServer = Server & { [DISPATCHER]?: UpgradeDispatcher | undefined };

export function dispatcherOf(server: Server): UpgradeDispatcher | undefined {
  const marked: MarkedServer = server;
  return marked[DISPATCHER];
}

/** Returns the server's dispatcher, after creating a missing one. */
export function openDispatcher(server: Server): UpgradeDispatcher {
  const marked: MarkedServer = server;
  return (marked[DISPATCHER] ??= new UpgradeDispatcher(server));
}

/** Sends the tunnel's upgrades on this server through its app. A second call replaces the binding. */
export function attachTo(server: Server, tunnel: AttachableTunnel, binding: Binding): void {
  openDispatcher(server).bind(tunnel, binding);
}

export function detachFrom(server: Server, tunnel: AttachableTunnel): void {
  dispatcherOf(server)?.unbind(tunnel);
}

/** Removes the dispatcher and restores the server, unless an open tunnel needs the dispatcher. */
export function closeIfUnneeded(server: Server, hasAutomatic: boolean): void {
  const dispatcher = dispatcherOf(server);
  if (!dispatcher || dispatcher.isNeeded(hasAutomatic)) return;
  dispatcher.close();
  const marked: MarkedServer = server;
  marked[DISPATCHER] = undefined;
}

import type { Server } from 'node:http';
import { UpgradeDispatcher, type Binding } from './upgrade-dispatcher.js';
import type { UpgradeTarget } from '../attachable-tunnel.js';

// One for each server, for all its tunnels, also those of another copy of this package.
const DISPATCHER = Symbol.for('express-wstunnel.dispatcher.1');

type Carrier = Server & { [DISPATCHER]?: UpgradeDispatcher | undefined };

export function dispatcherOf(server: Server): UpgradeDispatcher | undefined {
  const carrier: Carrier = server;
  return carrier[DISPATCHER];
}

/** Begins to look at the server's upgrades, where nothing of ours does so yet. */
export function openDispatcher(server: Server): UpgradeDispatcher {
  const carrier: Carrier = server;
  return (carrier[DISPATCHER] ??= new UpgradeDispatcher(server));
}

/** Sends the tunnel's upgrades on this server through its app. A second call replaces the binding. */
export function attachTo(server: Server, target: UpgradeTarget, binding: Binding): void {
  openDispatcher(server).bind(target, binding);
}

export function detachFrom(server: Server, target: UpgradeTarget): void {
  dispatcherOf(server)?.unbind(target);
}

/** Leaves the server as it was before, unless an open tunnel still needs the dispatcher. */
export function closeIfUnneeded(server: Server, hasAutomatic: boolean): void {
  const dispatcher = dispatcherOf(server);
  if (!dispatcher || dispatcher.isNeeded(hasAutomatic)) return;
  dispatcher.close();
  const carrier: Carrier = server;
  carrier[DISPATCHER] = undefined;
}

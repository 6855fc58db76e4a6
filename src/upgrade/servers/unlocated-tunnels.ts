import type { IncomingMessage } from 'node:http';
import { isForEngineIo } from '../../internals/engine-io.js';
import { activeServers } from '../../internals/node-net.js';
import { pathOf } from '../../request/path.js';
import { findTunnels } from '../app/find-tunnels.js';
import type { AttachableTunnel } from '../attachable-tunnel.js';

// Tunnels that attach automatically, and have neither been found in the app of a server nor been reached by an upgrade. Such a
// tunnel may be hidden in an app whose upgrades go to other listeners: without a warning the developer would see no reason.
const unlocated = new Set<WeakRef<AttachableTunnel>>();
const references = new WeakMap<AttachableTunnel, WeakRef<AttachableTunnel>>();
const collected = new FinalizationRegistry<WeakRef<AttachableTunnel>>((reference) =>
  unlocated.delete(reference),
);

/** Limit of tunnels that are asked about a path, and of the mount levels of the path. */
const MAX_ASKED = 100;
const MAX_LEVELS = 32;

export function addUnlocated(tunnel: AttachableTunnel): void {
  const reference = new WeakRef(tunnel);
  references.set(tunnel, reference);
  unlocated.add(reference);
  collected.register(tunnel, reference, tunnel);
}

export function removeUnlocated(tunnel: AttachableTunnel): void {
  const reference = references.get(tunnel);
  if (!reference) return;
  collected.unregister(tunnel);
  unlocated.delete(reference);
  references.delete(tunnel);
}

export function hasUnlocated(): boolean {
  return unlocated.size > 0;
}

/**
 * Reports an upgrade that goes to a server's other listeners: warns, once for each tunnel, that the upgrade may have been meant
 * for that tunnel.
 */
export function reportMiss(req: Pick<IncomingMessage, 'url'>): void {
  const path = isForEngineIo(req) ? undefined : pathOf(req);
  const tunnel = path === undefined ? undefined : unlocatedFor(path)[0];
  if (!tunnel || path === undefined) return;
  removeUnlocated(tunnel);
  tunnel.warnOfMiss(path);
}

/** The unlocated tunnels that may take this path, under any mount. */
export function unlocatedFor(path: string): readonly AttachableTunnel[] {
  if (unlocated.size === 0) return [];
  const asked = [...unlocated].slice(0, MAX_ASKED);
  const suspects = asked.flatMap((reference) => {
    const tunnel = reference.deref();
    if (!tunnel) unlocated.delete(reference);
    return tunnel && mayTake(tunnel, path) ? [tunnel] : [];
  });
  if (suspects.length === 0) return [];
  // The tunnel may be in the app of a server that listens and has accepted no connection yet.
  for (const server of activeServers())
    for (const tunnel of findTunnels(server.listeners('request')).targets.keys()) removeUnlocated(tunnel);
  return suspects.filter((tunnel) => references.has(tunnel));
}

/** Does the tunnel take this path, under any mount path? */
function mayTake(tunnel: AttachableTunnel, path: string): boolean {
  const starts = Array.from(path.matchAll(/\//g), ({ index }) => index).slice(0, MAX_LEVELS);
  return [...starts.map((start) => path.slice(start)), '/'].some((rest) => tunnel.takes(rest) !== 'no');
}

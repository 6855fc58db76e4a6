import type { IncomingMessage } from 'node:http';
import { Server } from 'node:net';
import { pathOf } from '../../request/path.js';
import { isForEngineIo } from '../../internals/engine-io.js';
import { lookInside } from '../app/find-tunnels.js';
import type { UpgradeTarget } from '../attachable-tunnel.js';

// Tunnels that attach by themselves and have not been found in the app of any server, nor reached by an upgrade. Such a
// tunnel may be hidden in an app whose upgrades go to other listeners, and then its developer sees no reason.
const homeless = new Set<WeakRef<UpgradeTarget>>();
const references = new WeakMap<UpgradeTarget, WeakRef<UpgradeTarget>>();
const collected = new FinalizationRegistry<WeakRef<UpgradeTarget>>((reference) => homeless.delete(reference));

/** How many of them are asked, and for how many levels of a path. */
const MAX_ASKED = 100;
const MAX_LEVELS = 32;

export function addHomeless(target: UpgradeTarget): void {
  const reference = new WeakRef(target);
  references.set(target, reference);
  homeless.add(reference);
  collected.register(target, reference, target);
}

export function removeHomeless(target: UpgradeTarget): void {
  const reference = references.get(target);
  if (!reference) return;
  collected.unregister(target);
  homeless.delete(reference);
  references.delete(target);
}

export function hasHomeless(): boolean {
  return homeless.size > 0;
}

/** An upgrade goes to a server's other listeners: warns of it once for a tunnel that it may have been meant for. */
export function reportMiss(req: Pick<IncomingMessage, 'url'>): void {
  const path = isForEngineIo(req) ? undefined : pathOf(req);
  const target = path === undefined ? undefined : suspectsOf(path)[0];
  if (!target || path === undefined) return;
  removeHomeless(target);
  target.warnOfMiss(path);
}

/** The tunnels without a server that may take this path, under any mount. */
export function suspectsOf(path: string): readonly UpgradeTarget[] {
  if (homeless.size === 0) return [];
  const asked = [...homeless].slice(0, MAX_ASKED);
  const suspects = asked.flatMap((reference) => {
    const target = reference.deref();
    if (!target) homeless.delete(reference);
    return target && mayTake(target, path) ? [target] : [];
  });
  if (suspects.length === 0) return [];
  // A server that listens, and has accepted no connection yet, may be the home.
  for (const target of targetsOfListening()) removeHomeless(target);
  return suspects.filter((target) => references.has(target));
}

/** What is mounted where it can be seen. Node lists its handles for debugging only; without the list, suspects stay suspects. */
function targetsOfListening(): UpgradeTarget[] {
  const { _getActiveHandles: list } = process as { _getActiveHandles?: () => unknown[] };
  if (typeof list !== 'function') return [];
  const servers = Reflect.apply(list, process, []).filter((handle) => handle instanceof Server);
  return servers.flatMap((server) => [...lookInside(server.listeners('request')).targets.keys()]);
}

/** Under any mount path. */
function mayTake(target: UpgradeTarget, path: string): boolean {
  const starts = Array.from(path.matchAll(/\//g), ({ index }) => index).slice(0, MAX_LEVELS);
  return [...starts.map((start) => path.slice(start)), '/'].some((rest) => target.takes(rest) !== 'no');
}

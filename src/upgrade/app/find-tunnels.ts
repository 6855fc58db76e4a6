import { handlersOf, pathAfter, stackOf, type Layer } from '../../internals/express.js';
import { askMountedApp, isMountedApp, knownMountedApp } from '../../internals/mounted-app.js';
import { isWrapped, tunnelOfHandler, type AttachableTunnel } from '../attachable-tunnel.js';
import { mostCertain, type Reach } from '../path-reach.js';

/** The tunnels in an app. (A dispatcher of another copy of this package may read the object: keep the names.) */
export interface TunnelsInApp {
  /** Tunnels with their reach. */
  readonly targets: ReadonlyMap<AttachableTunnel, Reach>;
  /** A tunnel is inside a wrapper that hides the tunnel's identity. */
  readonly isWrapped: boolean;
  /** A part of the app cannot be read. */
  readonly isHidden: boolean;
}

/** Limit of layers read in one search: apps and routers may be mounted in a circle, or many times. */
export const MAX_APP_LAYERS = 10_000;
/** Limit of levels, to protect the call stack. */
export const MAX_APP_DEPTH = 32;

/**
 * Finds the tunnels in the `request` listeners of a server, by reading the stacks of Express and Connect. With a path, finds
 * only tunnels that a GET of this path and query can reach. `mayAsk`: looks into apps that Express has mounted within another app (see
 * {@link askMountedApp}); otherwise mounted apps that were not asked earlier count as hidden.
 */
export function findTunnels(
  listeners: readonly unknown[],
  path?: string,
  mayAsk = false,
  query = '',
): TunnelsInApp {
  const search = new Search(mayAsk, query);
  for (const listener of listeners) {
    // The listener is a function around an app.
    if (stackOf(listener) === undefined && tunnelOfHandler(listener) === undefined) search.isHidden = true;
    else search.handler(listener, path, 0);
  }
  return search;
}

class Search implements TunnelsInApp {
  readonly targets = new Map<AttachableTunnel, Reach>();
  isWrapped = false;
  isHidden = false;
  readonly #mayAsk: boolean;
  readonly #query: string;
  #layers = 0;

  constructor(mayAsk: boolean, query: string) {
    this.#mayAsk = mayAsk;
    this.#query = query;
  }

  handler(handler: unknown, path: string | undefined, depth: number): void {
    const tunnel = tunnelOfHandler(handler);
    if (tunnel) {
      this.#found(tunnel, path === undefined ? 'yes' : tunnel.takes(path, this.#query));
      return;
    }
    if (isWrapped(handler)) this.isWrapped = true;
    const stack = stackOf(handler);
    if (!stack) {
      if (!isMountedApp(handler)) return;
      const app = this.#mayAsk ? askMountedApp(handler) : knownMountedApp(handler);
      if (app) this.handler(app, path, depth + 1);
      else this.isHidden = true;
      return;
    }
    for (const layer of stack) {
      if (depth >= MAX_APP_DEPTH || ++this.#layers > MAX_APP_LAYERS) {
        this.isHidden = true;
        return;
      }
      this.#layer(layer, path, depth);
    }
  }

  #found(tunnel: AttachableTunnel, reach: Reach): void {
    this.targets.set(tunnel, mostCertain([reach, this.targets.get(tunnel) ?? 'no']));
  }

  #layer(layer: Layer, path: string | undefined, depth: number): void {
    const rest = path === undefined ? undefined : pathAfter(layer, path);
    if (path !== undefined && rest === undefined) return;
    for (const handler of handlersOf(layer)) this.handler(handler, rest, depth + 1);
  }
}

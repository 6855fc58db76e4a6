import { askMountedApp, isMountedApp, knownMountedApp } from '../../internals/mounted-app.js';
import { isWrapped, targetOf, type UpgradeTarget } from '../attachable-tunnel.js';

/**
 * Does a request for a path get to a tunnel? From the least to the most: `no`; `hidden`: a part of the app that cannot be
 * looked into may lead there; `maybe`: the tunnel is there, and a rule decides; `yes`.
 */
export type Reach = 'no' | 'hidden' | 'maybe' | 'yes';

/** What was found in an app. */
export interface Sight {
  /** The tunnels, each with its reach. */
  readonly targets: ReadonlyMap<UpgradeTarget, Reach>;
  /** There is a tunnel in a wrapper that hides which. */
  readonly isWrapped: boolean;
  /** A part of the app cannot be looked into. */
  readonly isHidden: boolean;
}

/** What Express's and Connect's apps and routers keep, as far as it is read here. */
export interface Layer {
  handle?: unknown;
  /** Express: the route of `app.get` and the like. Connect: the mount path. */
  route?: unknown;
  /** Express, within a route: the method in lower case; undefined is every method. */
  method?: unknown;
  match?: unknown;
  path?: unknown;
}

/** Apps and routers may be mounted in a circle, and twice: the number of layers that are read in one search. */
export const MAX_LAYERS = 10_000;
/** The same of the levels, for the call stack. */
export const MAX_DEPTH = 32;

const ORDER: readonly Reach[] = ['no', 'hidden', 'maybe', 'yes'];

export function furthest(all: readonly Reach[]): Reach {
  return ORDER.findLast((reach) => all.includes(reach)) ?? 'no';
}

/**
 * Looks for tunnels in the `request` listeners of a server, by reading the stacks of Express and Connect. With a path, only
 * those that a GET of it can reach. `mayAsk`: apps that Express has mounted within another are asked for (see
 * {@link askMountedApp}); else those that were not asked for before are hidden.
 */
export function lookInside(listeners: readonly unknown[], path?: string, mayAsk = false): Sight {
  const search = new Search(mayAsk);
  for (const listener of listeners) {
    // A function around an app, as a server's listener.
    if (stackOf(listener) === undefined && targetOf(listener) === undefined) search.isHidden = true;
    else search.look(listener, path, 0);
  }
  return search;
}

class Search implements Sight {
  readonly targets = new Map<UpgradeTarget, Reach>();
  isWrapped = false;
  isHidden = false;
  readonly #mayAsk: boolean;
  #layers = 0;

  constructor(mayAsk: boolean) {
    this.#mayAsk = mayAsk;
  }

  look(handler: unknown, path: string | undefined, depth: number): void {
    const target = targetOf(handler);
    if (target) {
      this.#found(target, path === undefined ? 'yes' : target.takes(path));
      return;
    }
    if (isWrapped(handler)) this.isWrapped = true;
    const stack = stackOf(handler);
    if (!stack) {
      if (!isMountedApp(handler)) return;
      const app = this.#mayAsk ? askMountedApp(handler) : knownMountedApp(handler);
      if (app) this.look(app, path, depth + 1);
      else this.isHidden = true;
      return;
    }
    for (const layer of stack) {
      if (depth >= MAX_DEPTH || ++this.#layers > MAX_LAYERS) {
        this.isHidden = true;
        return;
      }
      this.#lookBehind(layer, path, depth);
    }
  }

  #found(target: UpgradeTarget, reach: Reach): void {
    this.targets.set(target, furthest([reach, this.targets.get(target) ?? 'no']));
  }

  #lookBehind(layer: Layer, path: string | undefined, depth: number): void {
    const rest = path === undefined ? undefined : restBehind(layer, path);
    if (path !== undefined && rest === undefined) return;
    for (const handler of handlersOf(layer)) this.look(handler, rest, depth + 1);
  }
}

/** What a GET, and so an upgrade, gets to in a layer. */
export function handlersOf({ route, handle }: Layer): unknown[] {
  if (!isRoute(route)) return [handle];
  // The layers within a route have no path of their own (theirs is "/"), but a method.
  return route.stack
    .filter(({ method }) => method === undefined || method === 'get')
    .map((layer) => layer.handle);
}

/** The path as the layer's handler sees it; undefined where the layer does not match. */
export function restBehind(layer: Layer, path: string): string | undefined {
  if (typeof layer.route === 'string') return behindPrefix(layer.route, path);
  if (typeof layer.match !== 'function') return path;
  // Express 5's router answers with an object since 2.3; before, and in Express 4, with a boolean, and sets `path`.
  const match = matchOf(layer, path);
  if (match === false || match === undefined || match === null) return undefined;
  const { path: matched } = (typeof match === 'object' ? match : layer) as { path?: unknown };
  if (isRoute(layer.route) || typeof matched !== 'string') return path;
  const rest = path.slice(matched.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** A malformed `%` in a parameter throws: the app answers 400 there, and no tunnel. */
function matchOf(layer: Layer, path: string): unknown {
  try {
    return Reflect.apply(layer.match as (path: string) => unknown, layer, [path]);
  } catch {
    return false;
  }
}

/** Connect: case does not count, and the prefix ends at `/` or `.`. */
function behindPrefix(prefix: string, path: string): string | undefined {
  if (!path.toLowerCase().startsWith(prefix.toLowerCase())) return undefined;
  const rest = path.slice(prefix.length);
  if (rest !== '' && !/^[/.]/.test(rest)) return undefined;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

function isRoute(route: unknown): route is { stack: readonly Layer[] } {
  return typeof route === 'object' && route !== null && Array.isArray((route as { stack?: unknown }).stack);
}

export function stackOf(handler: unknown): readonly Layer[] | undefined {
  if ((typeof handler !== 'function' && typeof handler !== 'object') || handler === null) return undefined;
  const { stack } = handler as { stack?: unknown };
  if (Array.isArray(stack)) return stack as Layer[];
  if (!isExpressApp(handler)) return undefined;
  return stackOf(routerOf(handler)) ?? [];
}

/** What is used of an Express app. */
interface ExpressApp {
  set: CallableFunction;
  handle: CallableFunction;
  enabled?: (setting: string) => boolean;
}

function isExpressApp(handler: object): handler is ExpressApp {
  const { set, handle } = handler as { set?: unknown; handle?: unknown };
  return typeof set === 'function' && typeof handle === 'function';
}

/** Do the routers of these apps tell `/VNC` from `/vnc`? Express's do so only on demand, Connect's never. */
export function isCaseSensitive(listeners: readonly unknown[]): boolean {
  return listeners.some(
    (listener) =>
      typeof listener === 'function' &&
      isExpressApp(listener) &&
      listener.enabled?.('case sensitive routing') === true,
  );
}

/** Express 4 has `_router`, and throws at the sight of `router`; Express 5 has `router`. */
function routerOf(app: object): unknown {
  const { _router } = app as { _router?: unknown };
  if (_router) return _router;
  try {
    return (app as { router?: unknown }).router;
  } catch {
    return undefined;
  }
}

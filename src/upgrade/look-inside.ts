/** A tunnel to look for. */
export interface Wanted {
  /** Is this function the tunnel's middleware? */
  isMiddleware(handler: unknown): boolean;
  /** Does the tunnel take this path, as it is within the mount? `maybe`: it depends on more than the path. */
  takes(path: string): Reach;
}

/** Can a request get there? `maybe`: it leads through what can't be seen into, or a rule decides. */
export type Reach = 'no' | 'maybe' | 'yes';

/** What Express's and Connect's apps and routers keep, as far as it is looked at. */
interface Layer {
  handle?: unknown;
  /** Express: the route behind `app.get` and the like. Connect: the mount path. */
  route?: unknown;
  match?: unknown;
  path?: unknown;
}

// Apps and routers may be mounted in a circle.
const MAX_DEPTH = 32;

/**
 * Can a request for `path` (any path, if undefined) that is given to `handler` reach the wanted middleware? An app that
 * can be seen into and does not hold it says no: unrelated servers in the process stay untouched.
 */
export function reachOf(handler: unknown, wanted: Wanted, path: string | undefined, depth = 0): Reach {
  if (wanted.isMiddleware(handler)) return path === undefined ? 'yes' : wanted.takes(path);
  const stack = stackOf(handler);
  // A closure around an app, as a server's listener.
  if (stack === undefined) return depth === 0 && typeof handler === 'function' ? 'maybe' : 'no';
  if (depth >= MAX_DEPTH) return 'maybe';
  return furthest(stack.map((layer) => reachBehind(layer, wanted, path, depth)));
}

export function furthest(all: readonly Reach[]): Reach {
  if (all.includes('yes')) return 'yes';
  return all.includes('maybe') ? 'maybe' : 'no';
}

function reachBehind(layer: Layer, wanted: Wanted, path: string | undefined, depth: number): Reach {
  const inner = isRoute(layer.route) ? layer.route : layer.handle;
  const rest = path === undefined ? undefined : restBehind(layer, path);
  if (path !== undefined && rest === undefined) return 'no';
  if (hidesAnApp(inner)) return 'maybe';
  return reachOf(inner, wanted, rest, depth + 1);
}

/** The path as the layer's handler sees it; undefined where the layer does not match. */
function restBehind(layer: Layer, path: string): string | undefined {
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

/** Express wraps a mounted app in a function of this name, Connect in one of that: what is inside can't be seen. */
function hidesAnApp(handler: unknown): boolean {
  return typeof handler === 'function' && (handler.name === 'mounted_app' || handler.name === 'handle');
}

function isRoute(route: unknown): route is object {
  return typeof route === 'object' && route !== null && 'stack' in route;
}

function stackOf(handler: unknown): Layer[] | undefined {
  if ((typeof handler !== 'function' && typeof handler !== 'object') || handler === null) return undefined;
  const { stack } = handler as { stack?: unknown };
  if (Array.isArray(stack)) return stack as Layer[];
  if (!isExpressApp(handler)) return undefined;
  return stackOf(routerOf(handler)) ?? [];
}

function isExpressApp(handler: object): boolean {
  const { set, handle } = handler as { set?: unknown; handle?: unknown };
  return typeof set === 'function' && typeof handle === 'function';
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

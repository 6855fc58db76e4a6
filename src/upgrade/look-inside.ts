/** What Express's and Connect's apps and routers keep, as far as it is looked at. */
interface Layer {
  handle?: unknown;
  route?: unknown;
}

// Apps and routers may be mounted in a circle.
const MAX_DEPTH = 32;

/**
 * Can a request given to `handler` reach the wanted middleware? An app that can be seen into and does not hold it says
 * no: unrelated servers in the process stay untouched. What can't be seen into (a closure around an app, a sub-app) may.
 */
export function mayReach(handler: unknown, isWanted: (handler: unknown) => boolean, depth = 0): boolean {
  if (isWanted(handler)) return true;
  const stack = stackOf(handler);
  if (stack === undefined) return depth === 0 && typeof handler === 'function';
  if (depth >= MAX_DEPTH) return true;
  return stack.some((layer) => {
    const inner = isRoute(layer.route) ? layer.route : layer.handle;
    return hidesAnApp(inner) || mayReach(inner, isWanted, depth + 1);
  });
}

/** Express wraps a mounted app in a function of this name, Connect in one of that: what is inside can't be seen. */
function hidesAnApp(handler: unknown): boolean {
  return typeof handler === 'function' && (handler.name === 'mounted_app' || handler.name === 'handle');
}

function isRoute(route: unknown): boolean {
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

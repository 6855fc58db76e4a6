// The internals of the apps and routers of Express 4, Express 5 and Connect. No other file reads these internals.
// spec/unit/internals/internals.spec.ts notices changes.
import { IncomingMessage } from 'node:http';

/**
 * The parts of a layer (of a router's or app's stack) that are read here.
 *
 * Sources: https://github.com/pillarjs/router/blob/v2.2.0/lib/layer.js (Express 5),
 * https://github.com/expressjs/express/blob/4.21.2/lib/router/layer.js (Express 4), and
 * https://github.com/senchalabs/connect/blob/3.7.0/index.js (`proto.use`).
 * Test: "layers have a handle, and match paths".
 */
export interface Layer {
  handle?: unknown;
  /** Express: the route of `app.get` and the like. Connect: the mount path. */
  route?: unknown;
  /** Express, within a route: the method in lower case; undefined means all methods. */
  method?: unknown;
  match?: unknown;
  path?: unknown;
}

interface ExpressApp {
  set: CallableFunction;
  handle: CallableFunction;
  enabled?: (setting: string) => boolean;
}

function isExpressApp(handler: object): handler is ExpressApp {
  const { set, handle } = handler as { set?: unknown; handle?: unknown };
  return typeof set === 'function' && typeof handle === 'function';
}

/**
 * The layers of an app or router of Express or Connect; undefined for any other function. An Express app without a layer has
 * an empty stack.
 *
 * Reads `stack` of routers and of Connect's apps, and an Express app's router (see {@link routerOf}).
 * Test: "layers have a handle, and match paths".
 */
export function stackOf(handler: unknown): readonly Layer[] | undefined {
  if ((typeof handler !== 'function' && typeof handler !== 'object') || handler === null) return undefined;
  const { stack } = handler as { stack?: unknown };
  if (Array.isArray(stack)) return stack as Layer[];
  if (!isExpressApp(handler)) return undefined;
  return stackOf(routerOf(handler)) ?? [];
}

/** Express 4 has `app._router`, and `app.router` throws there; Express 5 has `app.router`. */
function routerOf(app: object): unknown {
  const { _router } = app as { _router?: unknown };
  if (_router) return _router;
  try {
    return (app as { router?: unknown }).router;
  } catch {
    return undefined;
  }
}

/** Is this an app of Express 4 with a router? */
export function hasExpress4Router(app: object): boolean {
  return Boolean((app as { _router?: unknown })._router);
}

/** The handlers of a layer that a GET request can reach. An upgrade is a GET request. */
export function handlersOf({ route, handle }: Layer): unknown[] {
  if (!isRoute(route)) return [handle];
  // The layers within a route have a method, and the path "/".
  return route.stack
    .filter(({ method }) => method === undefined || method === 'get')
    .map((layer) => layer.handle);
}

/** The path in `req.url` for the layer's handler; undefined if the layer does not match. */
export function pathAfter(layer: Layer, path: string): string | undefined {
  if (typeof layer.route === 'string') return pathAfterPrefix(layer.route, path);
  if (typeof layer.match !== 'function') return path;
  // The router of Express 5 returns an object since version 2.3. Earlier versions and Express 4 return a boolean and set `path`.
  const match = matchOf(layer, path);
  if (match === false || match === undefined || match === null) return undefined;
  const { path: matched } = (typeof match === 'object' ? match : layer) as { path?: unknown };
  if (isRoute(layer.route) || typeof matched !== 'string') return path;
  const rest = path.slice(matched.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** A malformed `%` in a parameter throws. For such a path the app answers 400, so that no tunnel is reached. */
function matchOf(layer: Layer, path: string): unknown {
  try {
    return Reflect.apply(layer.match as (path: string) => unknown, layer, [path]);
  } catch {
    return false;
  }
}

/** Connect ignores the letter case, and requires `/` or `.` after a prefix. */
function pathAfterPrefix(prefix: string, path: string): string | undefined {
  if (!path.toLowerCase().startsWith(prefix.toLowerCase())) return undefined;
  const rest = path.slice(prefix.length);
  if (rest !== '' && !/^[/.]/.test(rest)) return undefined;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

function isRoute(route: unknown): route is { stack: readonly Layer[] } {
  return typeof route === 'object' && route !== null && Array.isArray((route as { stack?: unknown }).stack);
}

/** Does one of these apps distinguish `/VNC` and `/vnc`? Express does with the setting `case sensitive routing`, Connect never. */
export function isCaseSensitive(listeners: readonly unknown[]): boolean {
  return listeners.some(
    (listener) =>
      typeof listener === 'function' &&
      isExpressApp(listener) &&
      listener.enabled?.('case sensitive routing') === true,
  );
}

/**
 * Would this app crash on http2's request objects? Express gives each request the prototype `app.request`, which inherits from
 * http's IncomingMessage; the getters of that class throw on http2's requests. An app changed by http2-express-bridge has
 * `http2Request`. Test: "an Express app's requests inherit from http's IncomingMessage".
 */
export function needsHttp1Requests(listener: object): boolean {
  const { request } = listener as { request?: unknown };
  return request instanceof IncomingMessage && !('http2Request' in listener);
}

/**
 * A setting of the Express app that a request belongs to; undefined without an Express app.
 *
 * Reads `req.app` (https://expressjs.com/en/5x/api.html#req.app). Of the settings, `trust proxy fn` is not documented: Express
 * compiles it from `trust proxy` (https://github.com/expressjs/express/blob/v5.1.0/lib/application.js, `app.set`).
 * Test: "an Express app compiles its trust proxy setting into a function".
 */
export function settingOf(req: IncomingMessage, name: string): unknown {
  const { app } = req as IncomingMessage & { app?: { get?: unknown } };
  return typeof app?.get === 'function' ? Reflect.apply(app.get, app, [name]) : undefined;
}

// Express mounts an app within another as a function that closes over it:
//
//     router.use(path, function mounted_app(req, res, next) { ... fn.handle(req, res, ...) })
//
// (https://github.com/expressjs/express/blob/v5.1.0/lib/application.js, `app.use`.) The closure cannot be read, but the app
// identifies itself: before any middleware runs, `handle` makes the app's own prototype the prototype of the request, and this
// prototype has the app as its property `app`. A stand-in for the request records the app and stops the call there.
//
// spec/unit/internals/mounted-app.spec.ts notices when Express or Connect change this.
import { hasExpress4Router } from './express.js';

/** Found in the text of Express's function, also in minified form, since property names stay. No other function is called. */
const EXPRESS = [/\.handle\(\s*[\w$]+,\s*[\w$]+,/, /\.app\b/, /\.request\b/, /\.response\b/];
/**
 * Found in Connect's function, which consists of this call. (Apps of Express and Connect match as well; such apps have a readable
 * stack.)
 */
const CONNECT = /\.handle\(\s*[\w$]+,\s*[\w$]+,\s*[\w$]+\s*\)/;

/** Characters of Connect's function, with room for other spacing. */
const MAX_CONNECT = 120;

type Kind = 'express' | 'connect' | undefined;

const kinds = new WeakMap<CallableFunction, Kind>();
const apps = new WeakMap<CallableFunction, object | undefined>();

/** Is this the function by which Express or Connect mounts an app within another? */
export function isMountedApp(handler: unknown): handler is CallableFunction {
  return typeof handler === 'function' && kindOf(handler) !== undefined;
}

function kindOf(handler: CallableFunction): Kind {
  if (!kinds.has(handler)) kinds.set(handler, readKind(handler));
  return kinds.get(handler);
}

function readKind(handler: CallableFunction): Kind {
  if (handler.length !== 3) return undefined;
  const text = Function.prototype.toString.call(handler);
  if (EXPRESS.every((part) => part.test(text))) return 'express';
  return text.length < MAX_CONNECT && CONNECT.test(text) ? 'connect' : undefined;
}

/** The app inside Express's function, if an earlier {@link askMountedApp} found it. */
export function knownMountedApp(wrapper: CallableFunction): object | undefined {
  return apps.get(wrapper) ?? undefined;
}

/**
 * Finds the app inside Express's function; undefined if that is impossible (Connect's function reveals nothing). The search calls
 * the app's `handle`, which the app may have replaced. So the search runs once for each function, and only when an upgrade would
 * otherwise be lost.
 */
export function askMountedApp(wrapper: CallableFunction): object | undefined {
  if (!apps.has(wrapper)) apps.set(wrapper, kindOf(wrapper) === 'express' ? ask(wrapper) : undefined);
  return apps.get(wrapper);
}

class StopCall extends Error {}

function ask(wrapper: CallableFunction): object | undefined {
  let app: object | undefined;
  const orig = { request: {}, response: {} };
  // Express 4 sets the prototype in the second of two built-in middlewares. An error thrown there would reach the app's error
  // handlers; without a URL the router stops instead.
  const answers: Record<PropertyKey, unknown> = { method: 'GET', app: orig, query: {} };
  const req: object = new Proxy(answers, {
    get: (target, name) => {
      if (name === 'url') return app ? undefined : '/';
      return target[name];
    },
    set: () => true,
    setPrototypeOf: (_target, prototype) => {
      const { app: named } = (prototype ?? {}) as { app?: object };
      if (app || !named) return true;
      app = named;
      if (hasExpress4Router(named)) return true;
      throw new StopCall();
    },
  });
  const res = new Proxy(
    { setHeader: () => undefined, locals: {} },
    { set: () => true, setPrototypeOf: () => true },
  );
  try {
    Reflect.apply(wrapper, undefined, [req, res, () => undefined]);
  } catch (error) {
    if (!(error instanceof StopCall)) return undefined;
  }
  return app;
}

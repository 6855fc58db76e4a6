// Express mounts an app within another as a function that closes over it:
//
//     router.use(path, function mounted_app(req, res, next) { ... fn.handle(req, res, ...) })
//
// The app inside cannot be read, but it names itself: before any middleware runs, `handle` makes the app's own prototype
// that of the request, and that prototype has the app as its `app`. A stand-in for the request sees it, and stops there.

/** What stands in Express's own function, also in a minified one: properties keep their names. No other function is called. */
const EXPRESS = [/\.handle\(\s*[\w$]+,\s*[\w$]+,/, /\.app\b/, /\.request\b/, /\.response\b/];
/** The same of Connect's function, which is nothing else. (So are the apps of both themselves, which have a stack to read.) */
const CONNECT = /\.handle\(\s*[\w$]+,\s*[\w$]+,\s*[\w$]+\s*\)/;

/** Characters of Connect's function, with room for other spacing. */
const MAX_CONNECT = 120;

type Kind = 'express' | 'connect' | undefined;

const kinds = new WeakMap<CallableFunction, Kind>();
const apps = new WeakMap<CallableFunction, object | undefined>();

/** Is this the function that Express or Connect puts around an app that is mounted within another? */
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

/** The app inside Express's function, where it was found out before. */
export function knownMountedApp(wrapper: CallableFunction): object | undefined {
  return apps.get(wrapper) ?? undefined;
}

/**
 * The app inside Express's function; undefined where it can't be found out (Connect's names nothing). This calls the app's
 * `handle`, which somebody may have replaced by a function of their own: it is done once for each, and only where an upgrade would
 * otherwise be lost.
 */
export function askMountedApp(wrapper: CallableFunction): object | undefined {
  if (!apps.has(wrapper)) apps.set(wrapper, kindOf(wrapper) === 'express' ? ask(wrapper) : undefined);
  return apps.get(wrapper);
}

class Found extends Error {}

function ask(wrapper: CallableFunction): object | undefined {
  let app: object | undefined;
  const orig = { request: {}, response: {} };
  // Express 4 gets to the prototype through two middlewares of its own, and there a throw would be an error for the app's
  // handlers. Without a URL its router stops by itself.
  const answers: Record<PropertyKey, unknown> = { method: 'GET', app: orig, query: {} };
  const req: object = new Proxy(answers, {
    get: (target, name) => {
      if (name === 'url') return app ? undefined : '/';
      return target[name];
    },
    set: () => true,
    setPrototypeOf: (_target, prototype) => {
      const { app: named } = (prototype ?? {}) as { app?: object & { _router?: unknown } };
      if (app || !named) return true;
      app = named;
      if (named._router) return true;
      throw new Found();
    },
  });
  const res = new Proxy(
    { setHeader: () => undefined, locals: {} },
    { set: () => true, setPrototypeOf: () => true },
  );
  try {
    Reflect.apply(wrapper, undefined, [req, res, () => undefined]);
  } catch (error) {
    if (!(error instanceof Found)) return undefined;
  }
  return app;
}

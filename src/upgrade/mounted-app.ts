// Express mounts an app within another as a function that closes over it:
//
//     router.use(path, function mounted_app(req, res, next) { ... fn.handle(req, res, ...) })
//
// The app inside cannot be read, but it names itself: before any middleware runs, `handle` makes the app's own prototype
// that of the request, and that prototype has the app as its `app`. A stand-in for the request sees it, and stops there.

/** The beginning of the call in Express's own function. Another function of that name is never called. */
const EXPRESS = /\bfn\.handle\(req, res, function/;

const apps = new WeakMap<CallableFunction, object>();

/** The app inside Express's `mounted_app`; undefined where it can't be found out (Connect's wrapper names nothing). */
export function mountedApp(wrapper: CallableFunction): object | undefined {
  const known = apps.get(wrapper);
  if (known) return known;
  if (!EXPRESS.test(Function.prototype.toString.call(wrapper))) return undefined;
  const app = ask(wrapper);
  if (app) apps.set(wrapper, app);
  return app;
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

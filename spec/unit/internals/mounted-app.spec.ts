import { runInThisContext } from 'node:vm';
import connect from 'connect';
import express from 'express';
import express4 from 'express4';
import { describe, expect, test } from 'vitest';
import { askMountedApp, isMountedApp } from '../../../src/internals/mounted-app.js';

interface Layer {
  handle: CallableFunction;
}

const stackOf = (app: unknown): Layer[] => {
  const { _router } = app as { _router?: { stack: Layer[] } };
  // In Express 4 the getter `router` throws.
  return (_router ?? (app as { router: { stack: Layer[] } }).router).stack;
};

describe.each([
  ['Express 5', express],
  ['Express 4', express4],
])('a mounted app of %s', (_version, make) => {
  function mounted() {
    const ran: string[] = [];
    const inner = make();
    inner.use((_req, _res, next) => {
      ran.push('middleware');
      next();
    });
    inner.use((error: unknown, _req: unknown, _res: unknown, next: (error: unknown) => void) => {
      ran.push('error handler');
      next(error);
    });
    const outer = make().use('/inner', inner);
    const { handle } = stackOf(outer).at(-1) ?? { handle: () => undefined };
    return { ran, inner, handle };
  }

  test('is found without running its middleware', async () => {
    const { ran, inner, handle } = mounted();
    expect(isMountedApp(handle)).toBe(true);
    expect(askMountedApp(handle)).toBe(inner);
    await new Promise((resolve) => setImmediate(resolve));
    expect(ran).toEqual([]);
  });

  test('is found in a minified wrapper', () => {
    const { inner } = mounted();
    const text =
      '(e => function(t,r,n){var o=t.app;e.handle(t,r,(e=>{Object.setPrototypeOf(t,o.request),Object.setPrototypeOf(r,o.response),n(e)}))})';
    const minified = runInThisContext(text) as (app: unknown) => CallableFunction;
    const handle = minified(inner);
    expect(handle.name).toBe('');
    expect(askMountedApp(handle)).toBe(inner);
  });
});

test("Connect's wrapper is recognized, and its app is not reachable", () => {
  const outer = connect().use('/inner', connect());
  const { handle } = (outer as unknown as { stack: Layer[] }).stack[0] ?? { handle: () => undefined };
  expect(isMountedApp(handle)).toBe(true);
  expect(askMountedApp(handle)).toBeUndefined();
});

test('a function of the app is neither recognized nor called', () => {
  let calls = 0;
  const own = [
    function mounted_app(_req: unknown, _res: unknown, next: () => void) {
      calls++;
      next();
    },
    function handle(_req: unknown, _res: unknown, next: () => void) {
      calls++;
      next();
    },
    (req: { app: unknown }, res: unknown, next: () => void) => {
      calls++;
      if (req.app === res) next();
    },
  ];
  for (const one of own) {
    expect(isMountedApp(one)).toBe(false);
    expect(askMountedApp(one)).toBeUndefined();
  }
  expect(calls).toBe(0);
});

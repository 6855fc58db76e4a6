import { connect as dial } from 'node:net';
import connect from 'connect';
import express, { Router, type ErrorRequestHandler, type Express } from 'express';
import express4 from 'express4';
import { describe, expect, test } from 'vitest';
import type { TunnelOptions } from '../../src/index.js';
import { request } from '../recipes/recipe.js';
import { openRaw } from '../support/raw-client.js';
import { makeTunnel, startApp, startEcho, startHttp } from '../support/servers.js';

const tunnel = (options: Partial<TunnelOptions> = {}) => makeTunnel({ server: { port: 1 }, ...options });
const get = (port: number, path: string, method = 'GET') => request(dial(port, '127.0.0.1'), method, path);

/** The status of a GET in an Express 5 app. */
async function statusIn(build: (app: Express) => void, path: string): Promise<number> {
  const { port } = await startApp(build);
  return (await get(port, path)).status;
}

describe("issue 13, case 21: a plain GET of a tunnel's path", () => {
  test('gets 426 with one sentence, and is not counted as a refusal', async () => {
    const { port: backend } = await startEcho();
    const vnc = tunnel({ server: { port: backend } });
    const refusals: unknown[] = [];
    vnc.on('refuse', (info) => refusals.push(info));
    const { port } = await startApp((app) => app.use('/vnc', vnc));
    for (const path of ['/vnc', '/vnc/', '/vnc?a=1', '/vnc/websockify']) {
      const answer = await get(port, path);
      expect(answer.status, path).toBe(426);
      expect(answer.headers).toMatchObject({
        upgrade: 'websocket',
        connection: 'Upgrade, close',
        'content-type': 'text/plain; charset=utf-8',
        'cache-control': 'no-store',
      });
      expect(answer.body).toMatch(/^This path is a WebSocket tunnel: [^.]+\.\n$/);
    }
    expect(vnc.stats().refused).toEqual({});
    expect(refusals).toEqual([]);
    await openRaw(port, '/vnc');
  });

  test.each([
    ['express 4', () => express4() as unknown as Express],
    ['express 5', () => express()],
    ['connect', () => connect() as unknown as Express],
  ])('%s: the tunnel is last, so it answers', async (_, makeApp) => {
    const app = makeApp();
    app.use('/vnc', tunnel());
    const { port } = await startHttp(app);
    expect((await get(port, '/vnc')).status).toBe(426);
    expect((await get(port, '/other')).status).toBe(404);
    expect((await get(port, '/vncx')).status).toBe(404);
    for (const method of ['HEAD', 'POST', 'OPTIONS'])
      expect((await get(port, '/vnc', method)).status, method).toBe(404);
  });

  test('is left to a handler after the tunnel', async () => {
    const page = (build: (app: Express) => void) =>
      statusIn((app) => build(app.use('/vnc', tunnel())), '/vnc');
    expect(await page((app) => app.use('/vnc', (_req, res) => void res.sendStatus(200)))).toBe(200);
    expect(await page((app) => app.get('/vnc', (_req, res) => void res.sendStatus(200)))).toBe(200);
    expect(await page((app) => app.use((_req, res) => void res.sendStatus(410)))).toBe(410);
    expect(await page((app) => app.use(express.static('/nowhere')))).toBe(404);
    const router = Router().get('/vnc', (_req, res) => void res.sendStatus(200));
    expect(await page((app) => app.use(router))).toBe(200);
    const inner = express().get('/', (_req, res) => void res.sendStatus(200));
    expect(await page((app) => app.use('/vnc', inner))).toBe(200);
    expect(await page((app) => app.all('/{*path}', (_req, res) => void res.sendStatus(200)))).toBe(200);
  });

  test('is answered when the handlers after the tunnel cannot match it', async () => {
    const page = (build: (app: Express) => void) =>
      statusIn((app) => build(app.use('/vnc', tunnel())), '/vnc');
    expect(await page((app) => app.get('/', (_req, res) => void res.sendStatus(200)))).toBe(426);
    expect(await page((app) => app.post('/vnc', (_req, res) => void res.sendStatus(200)))).toBe(426);
    expect(await page((app) => app.use(Router()))).toBe(426);
    const onError: ErrorRequestHandler = (error, _req, res, next) => {
      if (error) res.sendStatus(500);
      else next();
    };
    expect(await page((app) => app.use(onError))).toBe(426);
    expect(await page((app) => app.use('/ssh', tunnel()))).toBe(426);
    // The second of two tunnels answers.
    expect(await page((app) => app.use('/vnc', tunnel()))).toBe(426);
  });

  test('inside of routers, handlers after the router count', async () => {
    const inside = (app: Express) => app.use('/desk', Router().use('/vnc', tunnel()));
    expect(await statusIn((app) => inside(app), '/desk/vnc')).toBe(426);
    const outside = (app: Express) => inside(app).use((_req, res) => void res.sendStatus(200));
    expect(await statusIn((app) => outside(app), '/desk/vnc')).toBe(200);
  });

  test("in an app whose stack cannot be read gets the app's answer", async () => {
    const app = express().use('/vnc', tunnel());
    const { port } = await startHttp((req, res) => void app(req, res));
    expect((await get(port, '/vnc')).status).toBe(404);
    expect(await statusIn((outer) => outer.use((req, res, next) => app(req, res, next)), '/vnc')).toBe(404);
  });

  test('with `url` gets 426 only at paths that match', async () => {
    const build = (app: Express) => app.use(tunnel({ url: '/websockify' }));
    expect(await statusIn(build, '/websockify')).toBe(426);
    expect(await statusIn(build, '/')).toBe(404);
  });

  test("at a tunnel for every path gets the app's 404", async () => {
    expect(await statusIn((app) => app.use(tunnel()), '/page')).toBe(404);
    expect(await statusIn((app) => app.use(tunnel({ url: '/' })), '/page')).toBe(404);
    expect(await statusIn((app) => app.use(tunnel({ url: /^/ })), '/page')).toBe(404);
  });

  test.each<[string, (app: Express) => unknown]>([
    ['a parameter', (app) => app.use('/:id', tunnel())],
    ['two parameters', (app) => app.use('/:area/:id', tunnel())],
    ['a wildcard', (app) => app.use('/{*any}', tunnel())],
    ['a pattern', (app) => app.use(/.*/, tunnel())],
    ['a pattern of words', (app) => app.use(/^\/[\w.]+/, tunnel())],
    ['a route', (app) => app.get('/{*any}', tunnel())],
    ['a parameter before a router', (app) => app.use('/:id', Router().use(tunnel()))],
    ['a router', (app) => app.use(Router().use('/:id', tunnel()))],
  ])("at a mount without a literal part gets the app's 404: %s", async (_, build) => {
    for (const path of ['/favicon.ico', '/typo', '/typo/', '/a/typo', '/'])
      expect(await statusIn(build, path), path).toBe(404);
  });

  test('gets 426 in Express 4 as well', async () => {
    for (const path of ['*', '/*', '/:id', '/:id?', /.*/]) {
      const app = express4().use(path, tunnel());
      const { port } = await startHttp(app);
      expect((await get(port, '/favicon.ico')).status, String(path)).toBe(404);
    }
  });

  test('gets 426 where the mount or `url` has a literal part', async () => {
    expect(await statusIn((app) => app.use('/vnc/:id', tunnel()), '/vnc/7')).toBe(426);
    expect(await statusIn((app) => app.use('/:id/vnc', tunnel()), '/7/vnc')).toBe(426);
    expect(await statusIn((app) => app.use('/:id', Router().use('/vnc', tunnel())), '/7/vnc')).toBe(426);
    expect(await statusIn((app) => app.use('/:id', tunnel({ url: '/websockify' })), '/7/websockify')).toBe(
      426,
    );
    expect(await statusIn((app) => app.use('/:id', tunnel({ url: '/websockify' })), '/7/typo')).toBe(404);
  });

  test("gets the 404 of an app's final handler", async () => {
    const router = Router().use('/vnc', tunnel());
    const { port } = await startHttp((req, res) => {
      Reflect.apply(router, undefined, [req, res, () => res.writeHead(404).end('no such page')]);
    });
    expect(await get(port, '/vnc')).toMatchObject({
      status: 404,
      body: expect.stringContaining('no such page') as string,
    });
  });

  test('without a rule that gives a server goes to next()', async () => {
    const rules = [{ when: { headers: { 'x-inside': 'yes' } }, server: { port: 1 } }];
    expect(await statusIn((app) => app.use('/vnc', makeTunnel({ rules })), '/vnc')).toBe(404);
  });

  test('with a part of a handshake goes to next()', async () => {
    const { port } = await startApp((app) => app.use('/vnc', tunnel()));
    for (const headers of [
      { Upgrade: 'h2c' },
      { 'Sec-WebSocket-Key': 'x' },
      { 'Sec-WebSocket-Version': '13' },
    ])
      expect((await request(dial(port, '127.0.0.1'), 'GET', '/vnc', headers)).status).toBe(404);
  });

  test('gets the answer of a login before the tunnel', async () => {
    const build = (app: Express) => app.use('/vnc', (_req, res) => void res.sendStatus(401), tunnel());
    expect(await statusIn(build, '/vnc')).toBe(401);
  });
});

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import compression from 'compression';
import connectApp from 'connect';
import cookieParser from 'cookie-parser';
import cookieSession from 'cookie-session';
import { csrfSync } from 'csrf-sync';
import express, { type ErrorRequestHandler, type Request, type RequestHandler } from 'express';
import express4 from 'express4';
import rateLimit, { type Options as RateLimit } from 'express-rate-limit';
import session from 'express-session';
import morgan from 'morgan';
import { describe, expect, test } from 'vitest';
import type { TunnelOptions } from '../../src/index.js';
import { answerTo, startBehind } from './app-with-tunnel.js';
import { onCleanup } from '../support/cleanup.js';
import { echoes, handshake, openRaw, RawClient } from '../support/raw-client.js';
import { makeTunnel, startEcho, startHttp } from '../support/servers.js';
import { deferred } from '../support/wait.js';

const cookieOf = (setCookie = '') =>
  setCookie
    .split(/, (?=\w)/)
    .map((one) => one.split(';')[0])
    .join('; ');
const logger = (lines: string[]) =>
  morgan(':method :url :status', { stream: { write: (line) => void lines.push(line.trim()) } });
/** A limiter with a fixed key: all clients of a test count as one client. */
const limiter = (options: Partial<RateLimit>) =>
  rateLimit({ windowMs: 60_000, standardHeaders: 'draft-7', keyGenerator: () => 'all', ...options });

describe.each([
  ['Express 5', express],
  ['Express 4', express4],
])('%s', (_name, make) => {
  test('express-rate-limit: the 101 carries the remaining count, then comes 429', async () => {
    const { port, tunnel } = await startBehind([limiter({ limit: 1 })], { make });
    const first = await answerTo(port);
    expect(first.status).toBe(101);
    expect(first.headers.ratelimit).toMatch(/^limit=1, remaining=0/);
    await echoes(first.client);
    const second = await answerTo(port);
    expect(second).toMatchObject({ status: 429, headers: { connection: 'close' } });
    expect(second.headers).toHaveProperty('retry-after');
    expect(second.body.toString()).toContain('Too many requests');
    expect(tunnel.stats()).toMatchObject({ open: 1, opened: 1, refused: {} });
  });

  test('express-rate-limit: a tunnel counts as a success, a refusal as a failure', async () => {
    const authenticate = (req: Request) => req.headers.cookie === 'in';
    const failures = await startBehind([limiter({ limit: 2, skipSuccessfulRequests: true })], {
      make,
      authenticate,
    });
    for (let i = 0; i < 4; i++) await openRaw(failures.port, '/tunnel', { Cookie: 'in' });
    for (const status of [401, 401, 429]) expect((await answerTo(failures.port)).status).toBe(status);

    const successes = await startBehind([limiter({ limit: 2, skipFailedRequests: true })], {
      make,
      authenticate,
    });
    for (let i = 0; i < 4; i++) expect((await answerTo(successes.port)).status).toBe(401);
    for (const status of [101, 101, 429])
      expect((await answerTo(successes.port, '/tunnel', { Cookie: 'in' })).status).toBe(status);
  });

  test('cookie-session: the 101 carries its cookies, which open the next tunnel', async () => {
    const count: RequestHandler = (req, _res, next) => {
      const kept = req.session as unknown as { visits?: number };
      kept.visits = (kept.visits ?? 0) + 1;
      next();
    };
    const user = (req: object) => String((req as { session: { visits: number } }).session.visits);
    const { port, tunnel } = await startBehind([cookieSession({ keys: ['spec'] }), count], { make, user });
    const users: unknown[] = [];
    tunnel.on('open', (info) => users.push(info.user));
    const first = await answerTo(port);
    expect(first.headers['set-cookie']).toMatch(/session=.*session\.sig=/);
    await openRaw(port, '/tunnel', { Cookie: cookieOf(first.headers['set-cookie']) });
    expect(users).toEqual(['1', '2']);
  });

  test('morgan logs one line for each request, at the time of the answer', async () => {
    const lines: string[] = [];
    const guard: RequestHandler = (req, res, next) => {
      if (req.query.out === undefined) next();
      else res.sendStatus(401);
    };
    const { port } = await startBehind([logger(lines), guard], { make });
    const { client } = await answerTo(port);
    await echoes(client);
    await answerTo(port, '/tunnel?out');
    await answerTo(port, '/tunnel', { 'Sec-WebSocket-Version': '8' });
    expect(lines).toEqual(['GET /tunnel 101', 'GET /tunnel?out 401', 'GET /tunnel 426']);
  });

  test("a middleware that throws: the app's error handler answers", async () => {
    const fail: RequestHandler = () => {
      throw new Error('broken');
    };
    const render: ErrorRequestHandler = (error: Error, _req, res, next) => {
      if (res.headersSent) next(error);
      else res.status(500).send(`page: ${error.message}`);
    };
    const { port, tunnel } = await startBehind([fail], { make, behind: [render] });
    expect((await answerTo(port)).body.toString()).toBe('page: broken');
    const bare = await startBehind([fail], { make });
    expect((await answerTo(bare.port)).status).toBe(500);
    expect(tunnel.stats().refused).toEqual({});
  });

  test("next(refusal) in onRefuse reaches the app's error handler, or the default one", async () => {
    const seen: unknown[] = [];
    const render: ErrorRequestHandler = (error: { status: number; code: string }, _req, res, next) => {
      seen.push(error);
      if (res.headersSent) next(error);
      else res.status(error.status).set('X-Code', error.code).send('our own page');
    };
    const onRefuse: TunnelOptions['onRefuse'] = (refusal, _req, _res, next) => next(refusal);
    const wrong = { 'Sec-WebSocket-Version': '8' };
    const own = await startBehind([], { make, onRefuse, behind: [render] });
    const answer = await answerTo(own.port, '/tunnel', wrong);
    expect(answer).toMatchObject({
      status: 426,
      headers: { 'x-code': 'WSTUNNEL_WRONG_VERSION', connection: 'close' },
    });
    expect(answer.body.toString()).toBe('our own page');
    expect(seen).toMatchObject([
      { name: 'TunnelError', status: 426, expose: true, headers: { 'Sec-WebSocket-Version': '13' } },
    ]);
    const plain = await startBehind([], { make, onRefuse });
    expect(await answerTo(plain.port, '/tunnel', wrong)).toMatchObject({
      status: 426,
      headers: { 'sec-websocket-version': '13' },
    });
  });

  test('hooks see req.ip, req.protocol, req.hostname and res.locals', async () => {
    const seen = deferred<unknown>();
    const keep: RequestHandler = (_req, res, next) => {
      res.locals.desk = 7;
      next();
    };
    const authenticate = ({ ip, protocol, hostname, baseUrl, path, query, res }: Request) => {
      seen.resolve({ ip, protocol, hostname, baseUrl, path, query, desk: res?.locals.desk as unknown });
      return true;
    };
    const { port } = await startBehind([keep], { make, authenticate });
    await openRaw(port, '/tunnel/a?b=c', { Host: 'desk.example:8080' });
    const where = {
      ip: '127.0.0.1',
      protocol: 'http',
      hostname: 'desk.example',
      baseUrl: '/tunnel',
      path: '/a',
    };
    expect(await seen.promise).toEqual({ ...where, query: { b: 'c' }, desk: 7 });
  });
});

test('Connect: cookie-session and morgan', async () => {
  const { port: backend } = await startEcho();
  const lines: string[] = [];
  const user = (req: object) => String((req as { session: { visits: number } }).session.visits);
  const tunnel = makeTunnel({ server: { port: backend }, user });
  const app = connectApp()
    .use(logger(lines) as never)
    .use(cookieSession({ keys: ['spec'] }) as never)
    .use((req, _res, next) => {
      const { session: kept } = req as unknown as { session: { visits?: number } };
      kept.visits = (kept.visits ?? 0) + 1;
      next();
    })
    .use('/tunnel', tunnel);
  const { port } = await startHttp(app);
  const first = await answerTo(port);
  const opened = once(tunnel, 'open');
  await echoes(await openRaw(port, '/tunnel', { Cookie: cookieOf(first.headers['set-cookie']) }));
  expect(await opened).toMatchObject([{ user: '2' }]);
  expect(lines).toEqual(['GET /tunnel 101', 'GET /tunnel 101']);
});

test('compression: tunnels are unchanged, refusals are compressed like pages', async () => {
  const page = '<p>log in first</p>'.repeat(200);
  const guard: RequestHandler = (req, res, next) => {
    if (req.query.out === undefined) next();
    else res.status(401).send(page);
  };
  const body = 'no desktop for you. '.repeat(200);
  const authenticate = (req: object) =>
    (req as Request).query.no === undefined ? true : { status: 403, body };
  const { port } = await startBehind([compression(), guard], { authenticate });
  const zip = { 'Accept-Encoding': 'gzip' };
  const { client, ...accepted } = await answerTo(port, '/tunnel', zip);
  expect(accepted.status).toBe(101);
  expect(accepted.headers).not.toHaveProperty('content-encoding');
  await echoes(client, Buffer.alloc(65536, 'compressible ').toString());
  for (const [path, text] of [
    ['/tunnel?out', page],
    ['/tunnel?no', body],
  ] as const) {
    const answer = await answerTo(port, path, zip);
    expect(answer.headers).toMatchObject({ 'content-encoding': 'gzip', connection: 'close' });
    const zipped = answer.headers['transfer-encoding'] === 'chunked' ? unchunked(answer.body) : answer.body;
    expect(gunzipSync(zipped).toString()).toBe(text);
  }
});

function unchunked(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const end = body.indexOf('\r\n', at);
    const length = parseInt(body.toString('latin1', at, end), 16);
    if (!(length > 0)) return Buffer.concat(parts);
    parts.push(body.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

test('body parsers ignore a handshake, and a handshake with a body is refused', async () => {
  const all = { type: () => true };
  const { port } = await startBehind([
    express.json(all),
    express.urlencoded(all),
    express.text(all),
    express.raw(all),
  ]);
  await echoes((await answerTo(port)).client);
  const client = new RawClient(port).send(handshake('/tunnel', { 'Content-Length': '2' }), '{}');
  expect((await client.answer()).status).toBe(400);
});

test('cookie-parser: signed cookies identify the user', async () => {
  const login: RequestHandler = (req, res, next) => {
    if (req.path === '/login') res.cookie('user', 'ada', { signed: true }).end();
    else next();
  };
  const authenticate = (req: Request) => req.signedCookies.user === 'ada';
  const { port } = await startBehind([cookieParser('spec'), login], { authenticate });
  const page = await fetch(`http://127.0.0.1:${port}/login`);
  const Cookie = cookieOf(page.headers.get('set-cookie') ?? '');
  await openRaw(port, '/tunnel', { Cookie });
  for (const forged of [Cookie.replace('ada', 'eve'), 'user=ada', `${Cookie}x`])
    expect((await answerTo(port, '/tunnel', { Cookie: forged })).status, forged).toBe(401);
});

test('csrf-sync needs no token for an upgrade, which is a GET', async () => {
  const { csrfSynchronisedProtection } = csrfSync();
  const sessions = session({ secret: 'spec', resave: false, saveUninitialized: false });
  const { port } = await startBehind([sessions, csrfSynchronisedProtection]);
  await echoes((await answerTo(port)).client);
  expect((await fetch(`http://127.0.0.1:${port}/tunnel`, { method: 'POST' })).status).toBe(403);
});

test("express.static serves pages on the tunnel's mount path", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-static-'));
  onCleanup(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'vnc.html'), 'the page');
  const mounted = express.Router().use('/tunnel', express.static(folder));
  const { port } = await startBehind([mounted]);
  await echoes((await answerTo(port, '/tunnel/websockify')).client);
  expect(await (await fetch(`http://127.0.0.1:${port}/tunnel/vnc.html`)).text()).toBe('the page');
  // An upgrade for the path of a file gets the file.
  const file = await answerTo(port, '/tunnel/vnc.html');
  expect(file).toMatchObject({ status: 200, headers: { connection: 'close' } });
  expect(file.body.toString()).toBe('the page');
});

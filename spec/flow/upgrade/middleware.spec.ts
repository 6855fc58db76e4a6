import { once } from 'node:events';
import type { Request, RequestHandler } from 'express';
import express from 'express';
import session, { MemoryStore, type Store } from 'express-session';
import helmet from 'helmet';
import morgan from 'morgan';
import passport from 'passport';
import { Strategy as LocalStrategy } from 'passport-local';
import { describe, expect, test } from 'vitest';
import type { TunnelInfo, TunnelOptions } from '../../../src/index.js';
import { connectHttp2, openOverHttp2, refusal, startHttp2Tunnel } from '../../support/http2.js';
import { frame, handshake, openRaw, RawClient, requestTunnel } from '../../support/raw-client.js';
import { makeTunnel, startApp, startEcho } from '../../support/servers.js';
import { deferred, until } from '../../support/wait.js';

declare module 'express-session' {
  interface SessionData {
    visits: number;
    user: string;
  }
}

async function startBehind(middleware: RequestHandler[], options: Partial<TunnelOptions> = {}) {
  const { port: backend, sockets } = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend }, ...options });
  const site = await startApp((app) => {
    for (const one of middleware) app.use(one);
    app.use('/tunnel', tunnel);
    app.get('/', (req, res) => res.json(req.session));
  });
  return { ...site, tunnel, backend: sockets };
}

async function works(client: RawClient): Promise<void> {
  client.send(frame(2, 'ping'));
  expect((await client.payload(4)).toString()).toBe('ping');
}

const cookieOf = (setCookie = '') => setCookie.split(';')[0] ?? '';

describe('express-session', () => {
  const sessions = (store: Store = new MemoryStore(), more = {}) =>
    session({ secret: 'spec', resave: false, saveUninitialized: false, store, ...more });
  const count: RequestHandler = (req, _res, next) => {
    req.session.visits = (req.session.visits ?? 0) + 1;
    next();
  };

  test('puts the cookie of a new session on the 101 and saves the session', async () => {
    const { port } = await startBehind([sessions(), count]);
    const client = requestTunnel(port);
    const answer = await client.answer();
    expect(answer.status).toBe(101);
    const cookie = cookieOf(answer.headers['set-cookie']);
    expect(cookie).toMatch(/^connect\.sid=/);
    await works(client);
    const page = await fetch(`http://127.0.0.1:${port}/`, { headers: { cookie } });
    expect(await page.json()).toMatchObject({ visits: 2 });
  });

  test('touches a rolling session and renews its cookie', async () => {
    const store = new MemoryStore();
    const { port } = await startBehind([
      sessions(store, { rolling: true, cookie: { maxAge: 60_000 } }),
      count,
    ]);
    const first = await fetch(`http://127.0.0.1:${port}/`);
    const cookie = cookieOf(first.headers.get('set-cookie') ?? '');
    const client = requestTunnel(port, '/tunnel', { Cookie: cookie });
    expect((await client.answer()).headers['set-cookie']).toContain('Expires=');
  });

  test('refuses the tunnel when the store fails to load', async () => {
    class Broken extends MemoryStore {
      override get(_sid: string, done: (error: unknown) => void) {
        done(new Error('store is down'));
      }
    }
    const store = new Broken();
    const { port, tunnel } = await startBehind([sessions(store), count]);
    const { headers } = await fetch(`http://127.0.0.1:${port}/`);
    const cookie = cookieOf(headers.get('set-cookie') ?? '');
    const client = requestTunnel(port, '/tunnel', { Cookie: cookie });
    expect((await client.answer()).status).toBe(500);
    expect(tunnel.stats().opened).toBe(0);
  });

  test('opens no tunnel when the store fails to save', async () => {
    class Broken extends MemoryStore {
      override set(_sid: string, _session: unknown, done?: (error?: unknown) => void) {
        done?.(new Error('store is down'));
      }
    }
    const { port, tunnel, backend } = await startBehind([sessions(new Broken()), count]);
    const client = requestTunnel(port);
    await client.ended();
    await until(() => tunnel.stats().open === 0 && backend.size === 0);
  });

  test('gets 504 and frees everything when the store hangs during its save', async () => {
    class Hanging extends MemoryStore {
      override set() {
        // Never calls back.
      }
    }
    const { port, tunnel, backend } = await startBehind([sessions(new Hanging()), count], {
      handshakeTimeout: 0.2,
    });
    const client = requestTunnel(port);
    expect((await client.answer()).status).toBe(504);
    await client.ended();
    expect(tunnel.stats()).toMatchObject({ opened: 0, refused: { WSTUNNEL_HANDSHAKE_TIMEOUT: 1 } });
    expect(tunnel.stats().backends[0]?.load).toBe(0);
    await until(() => backend.size === 0);
  });
});

test('passport refuses clients without a login and names the others in events', async () => {
  passport.use(
    new LocalStrategy((username, password, done) => done(null, password === 'right' && { username })),
  );
  passport.serializeUser((user, done) => done(null, user));
  passport.deserializeUser((user: Express.User, done) => done(null, user));
  const { port: backend } = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend } });
  const { port } = await startApp((app) => {
    app.use(session({ secret: 'spec', resave: false, saveUninitialized: false }));
    app.use(passport.session() as RequestHandler);
    app.post('/login', express.urlencoded(), passport.authenticate('local') as RequestHandler, (_req, res) =>
      res.send('in'),
    );
    app.use('/tunnel', (req, res, next) => (req.isAuthenticated() ? next() : res.sendStatus(401)), tunnel);
  });
  const outside = requestTunnel(port);
  expect((await outside.answer()).status).toBe(401);

  const login = (password: string) =>
    fetch(`http://127.0.0.1:${port}/login`, {
      method: 'POST',
      body: new URLSearchParams({ username: 'ada', password }),
    });
  expect((await login('wrong')).status).toBe(401);
  const cookie = cookieOf((await login('right')).headers.get('set-cookie') ?? '');
  const opened = once(tunnel, 'open') as Promise<[TunnelInfo]>;
  await works(await openRaw(port, '/tunnel', { Cookie: cookie }));
  expect((await opened)[0].user).toBe('ada');
});

test("helmet's headers are on the 101 and on refusals, without those about a body", async () => {
  const extra: RequestHandler = (_req, res, next) => {
    res.set({ 'X-Own': 'yes', ETag: '"x"', 'Content-Type': 'text/html', 'Transfer-Encoding': 'chunked' });
    res.append('Set-Cookie', 'a=1').append('Set-Cookie', 'b=2');
    next();
  };
  const { port } = await startBehind([helmet(), extra]);
  const accepted = await requestTunnel(port).answer();
  expect(accepted.status).toBe(101);
  expect(accepted.headers).toMatchObject({
    'x-frame-options': 'SAMEORIGIN',
    'x-own': 'yes',
    'set-cookie': 'a=1, b=2',
    connection: 'Upgrade',
    upgrade: 'websocket',
  });
  for (const absent of ['etag', 'content-type', 'transfer-encoding', 'date', 'content-length'])
    expect(accepted.headers).not.toHaveProperty(absent);
  const refused = await requestTunnel(port, '/tunnel', { Origin: 'http://evil.example' }).answer();
  expect(refused).toMatchObject({ status: 403, headers: { 'x-frame-options': 'SAMEORIGIN' } });
});

describe('issue 12, case 19: header values of the app are sent as Latin-1', () => {
  const name = 'J\u00fcrgen \u00ff';
  const cookies = ['a=\u00e4; Path=/', 'b=\u00df'];
  const sets: RequestHandler = (_req, res, next) => {
    res.setHeader('X-Name', name);
    res.setHeader('Set-Cookie', cookies);
    res.setHeader('X-List', ['\u00e9', '\u00e8']);
    // Node rejects values with a line break or outside Latin-1.
    for (const value of ['a\r\nX-Evil: 1', 'a\nX-Evil: 1', '\u20ac', '\u0000'])
      expect(() => res.setHeader('X-Bad', value)).toThrow(TypeError);
    next();
  };

  test('on the 101, whose following frames stay unchanged', async () => {
    const { port } = await startBehind([sets], { subprotocol: () => 'chat' });
    const client = new RawClient(port).send(
      handshake('/tunnel', { 'Sec-WebSocket-Protocol': 'chat' }),
      frame(2, 'gr\u00fc\u00dfe'),
    );
    const { status, headers } = await client.answer();
    expect(status).toBe(101);
    expect(headers).toMatchObject({
      'x-name': name,
      'set-cookie': cookies.join(', '),
      'x-list': '\u00e9, \u00e8',
      'sec-websocket-protocol': 'chat',
    });
    expect((await client.payload(7)).toString()).toBe('gr\u00fc\u00dfe');
  });

  test('on a refusal', async () => {
    const { port } = await startBehind([sets], {
      authenticate: () => ({ status: 403, body: 'gr\u00fc\u00dfe' }),
    });
    const client = requestTunnel(port);
    expect((await client.answer()).headers).toMatchObject({ 'x-name': name, 'content-length': '7' });
    expect((await client.rest()).toString()).toBe('gr\u00fc\u00dfe');
  });

  test('over HTTP/2, on the 200 and on a refusal', async () => {
    let passes = true;
    const { port } = await startHttp2Tunnel({ authenticate: () => passes }, (app) => app.use(sets));
    const session = await connectHttp2(port);
    const { headers } = await openOverHttp2(session);
    expect(headers).toMatchObject({ 'x-name': name, 'set-cookie': cookies });
    passes = false;
    expect((await refusal(session)).headers).toMatchObject({ 'x-name': name, 'set-cookie': cookies });
  });
});

test('a logger logs the 101 when the tunnel opens, and the response closes once', async () => {
  const lines: string[] = [];
  const events: string[] = [];
  const watch: RequestHandler = (_req, res, next) => {
    for (const name of ['finish', 'close']) res.on(name, () => events.push(name));
    next();
  };
  const logger = morgan(':method :url :status', {
    stream: { write: (line) => void lines.push(line.trim()) },
  });
  const { port } = await startBehind([logger, watch]);
  await works(await openRaw(port));
  expect(lines).toEqual(['GET /tunnel 101']);
  expect(events).toEqual(['finish', 'close']);
});

describe('upgrades to another protocol behave as without the tunnel', () => {
  const show: RequestHandler[] = [
    express.text({ type: () => true }),
    (req: Request, res) =>
      void res.json({ method: req.method, body: req.body as unknown, upgrade: req.headers.upgrade ?? null }),
  ];

  test.each([
    [
      'h2c with a body',
      'POST',
      { Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings', 'HTTP2-Settings': 'AAMAAABk' },
      'h2c',
    ],
    ['TLS', 'OPTIONS', { Upgrade: 'TLS/1.0', Connection: 'Upgrade' }, 'TLS/1.0'],
    ['a WebSocket by POST', 'POST', { Upgrade: 'websocket', Connection: 'Upgrade' }, 'websocket'],
  ])('%s', async (_name, method, headers, upgrade) => {
    const { port: backend } = await startEcho();
    const { port } = await startApp((app) => {
      app.use('/tunnel', makeTunnel({ server: { port: backend } }));
      app.use(...show);
    });
    await openRaw(port);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const request = `${method} /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n${lines.join('')}\r\nhello`;
    const client = new RawClient(port).send(request);
    const answer = await client.answer();
    expect(answer).toMatchObject({ status: 200, headers: { connection: 'keep-alive' } });
    const body = await client.take(Number(answer.headers['content-length']));
    expect(JSON.parse(body.toString())).toEqual({ method, body: 'hello', upgrade });
    // The connection accepts another request.
    client.send('GET /again HTTP/1.1\r\nHost: a\r\n\r\n');
    expect((await client.answer()).status).toBe(200);
  });

  test("Node's checks apply: a missing Host gets 400, Expect is answered", async () => {
    const { port: backend } = await startEcho();
    const entered = deferred();
    const { port } = await startApp((app) => {
      app.use('/tunnel', makeTunnel({ server: { port: backend } }), () => entered.resolve());
      app.use(...show);
    });
    await openRaw(port);
    const hostless = requestTunnel(port, '/tunnel', { Host: undefined });
    expect((await hostless.answer()).status).toBe(400);
    await hostless.ended();
    const expecting = requestTunnel(port, '/tunnel', { Expect: 'the impossible' });
    expect((await expecting.answer()).status).toBe(417);
  });
});

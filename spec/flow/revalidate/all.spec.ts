import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import connectApp from 'connect';
import cookieSession from 'cookie-session';
import express, { type Express, type RequestHandler } from 'express';
import express4 from 'express4';
import { rateLimit } from 'express-rate-limit';
import helmet from 'helmet';
import morgan from 'morgan';
import session, { MemoryStore, type Store } from 'express-session';
import { describe, expect, test } from 'vitest';
import type { ClosedInfo, Tunnel, TunnelOptions } from '../../src/index.js';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { connectHttp2, openOverHttp2 } from '../support/http2.js';
import { watchComplaints } from '../support/leftovers.js';
import { closeFrame, frame, pageRequest, RawClient, requestTunnel } from '../support/raw-client.js';
import { listen, makeTunnel, portOf, startEcho, startHttp } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';

declare module 'express-session' {
  interface SessionData {
    name?: string;
  }
}

interface Marked extends IncomingMessage {
  wstunnelCheck?: boolean;
  session?: { name?: string };
}

const EVERY = 0.1;

async function echoTunnel(options: Partial<TunnelOptions> = {}): Promise<Tunnel> {
  const { port } = await startEcho();
  return makeTunnel({ server: { port }, revalidate: EVERY, closeTimeout: 1, ...options });
}

/** The next `close` event of the tunnel. */
async function closed(tunnel: Tunnel): Promise<ClosedInfo> {
  return (await once(tunnel, 'close'))[0] as ClosedInfo;
}

async function open(port: number, headers: Record<string, string> = {}): Promise<RawClient> {
  const client = requestTunnel(port, '/tunnel', headers);
  expect((await client.answer()).status).toBe(101);
  return client;
}

/** Answers the Close of the tunnel. Returns its code and reason. */
async function closeOf(client: RawClient): Promise<string> {
  for (;;) {
    const next = await client.frame();
    if (!next) return 'no Close';
    if (next.opcode !== 8) continue;
    client.send(closeFrame(next.payload.readUInt16BE()));
    client.socket.end();
    return `${next.payload.readUInt16BE()} ${next.payload.subarray(2).toString()}`;
  }
}

async function expectOpen(client: RawClient): Promise<void> {
  client.send(frame(2, 'still here'));
  expect((await client.payload(10)).toString()).toBe('still here');
}

/** A tunnel behind a middleware that sees each check, in a plain http server. */
async function startBehind(
  answer: (req: Marked, res: ServerResponse, reach: () => void) => void,
  options = {},
) {
  const tunnel = await echoTunnel(options);
  const checks: { req: Marked; res: ServerResponse }[] = [];
  const site = await startHttp((req: Marked, res) => {
    const reach = () => tunnel(req, res, () => res.writeHead(404).end());
    if (!req.wstunnelCheck) {
      reach();
      return;
    }
    checks.push({ req, res });
    answer(req, res, reach);
  });
  tunnel.attach(site.server, { path: '/tunnel' });
  return { ...site, tunnel, checks };
}

describe('a site with express-session', () => {
  const withSession = (store: Store) =>
    session({ secret: 'spec', resave: false, saveUninitialized: false, store, cookie: { maxAge: 60_000 } });

  /** Pages /login/NAME and /logout, and a tunnel behind the login. */
  function build(app: Express, store: Store, tunnel: Tunnel): void {
    app.set('env', 'test');
    const requireLogin: RequestHandler = (req, res, next) =>
      req.session.name === undefined ? void res.sendStatus(401) : next();
    app.use(withSession(store));
    app.get('/login/:name', (req, res) => {
      req.session.name = req.params.name;
      res.end('in');
    });
    app.get('/logout', (req, res) => req.session.destroy(() => res.end('out')));
    app.use('/tunnel', requireLogin, tunnel);
  }

  async function page(port: number, path: string, cookie?: string): Promise<string> {
    const client = new RawClient(port);
    client.send(pageRequest(path, { Cookie: cookie }));
    const { status, headers } = await client.answer();
    expect(status).toBe(200);
    return (headers['set-cookie'] ?? '').split(';')[0]!;
  }

  async function start(store: Store = new MemoryStore(), make: () => Express = express, options = {}) {
    const tunnel = await echoTunnel({ user: (req: Marked) => req.session?.name, ...options });
    const app = make();
    build(app, store, tunnel);
    const { port } = await startHttp(app);
    const cookie = await page(port, '/login/ann');
    const client = await open(port, { Cookie: cookie });
    return { port, tunnel, cookie, client };
  }

  test.each([
    ['Express 5', express],
    ['Express 4', express4],
  ])('ends the tunnel after a logout: %s', async (_name, make) => {
    const { port, tunnel, cookie, client } = await start(new MemoryStore(), make);
    await sleep(3 * EVERY * 1000);
    await expectOpen(client);
    const ended = closed(tunnel);
    await page(port, '/logout', cookie);
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(await ended).toMatchObject({ cause: 'login-ended', code: 1008, user: 'ann' });
  });

  test('ends the tunnel when the session becomes that of another user', async () => {
    const { port, tunnel, cookie, client } = await start();
    const ended = closed(tunnel);
    await page(port, '/login/bob', cookie);
    expect(await closeOf(client)).toBe('1008 another user has logged in');
    expect(await ended).toMatchObject({ cause: 'user-changed', user: 'ann' });
  });

  test('keeps the tunnel while the store is down, and ends it after a logout later', async () => {
    let isDown = false;
    let failed = 0;
    class Store extends MemoryStore {
      override get(...[id, done]: Parameters<MemoryStore['get']>): void {
        if (!isDown) super.get(id, done);
        else setImmediate(() => done(new Error(`the store is down (${++failed})`)));
      }
    }
    const { port, tunnel, cookie, client } = await start(new Store());
    isDown = true;
    await until(() => failed >= 3);
    await expectOpen(client);
    isDown = false;
    const ended = closed(tunnel);
    await page(port, '/logout', cookie);
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(await ended).toMatchObject({ cause: 'login-ended' });
  });

  test.each([
    ['never', false, 0],
    ['active', false, 0],
    ['active', true, 1],
    ['always', false, 2],
  ] as const)('touches the session as touch says: %s, client active: %s', async (touch, isActive, least) => {
    let gets = 0;
    let touches = 0;
    class Store extends MemoryStore {
      override get(...args: Parameters<MemoryStore['get']>): void {
        gets++;
        super.get(...args);
      }
      override touch(...args: Parameters<MemoryStore['touch']>): void {
        touches++;
        super.touch(...args);
      }
    }
    const { client } = await start(new Store(), express, { revalidate: { every: EVERY, touch } });
    const [getsBefore, touchesBefore] = [gets, touches];
    if (isActive) await expectOpen(client);
    await until(() => gets >= getsBefore + 4);
    if (least === 0) expect(touches).toBe(touchesBefore);
    else await until(() => touches >= touchesBefore + least);
    if (touch === 'active') expect(touches).toBeLessThanOrEqual(touchesBefore + 1);
  });
});

test('a session that begins with the tunnel is the session of the checks', async () => {
  const tunnel = await echoTunnel();
  let checks = 0;
  let isIn = true;
  const app = express().use(session({ secret: 'spec', resave: false, saveUninitialized: false }));
  app.use('/tunnel', (req, res, next) => {
    const isCheck = (req as Marked).wstunnelCheck;
    if (isCheck) checks++;
    else req.session.name = 'guest';
    if (req.session.name === 'guest' && isIn) next();
    else res.sendStatus(401);
  });
  app.use('/tunnel', tunnel);
  const { port } = await startHttp(app as never);
  const client = await open(port, { Cookie: 'a=1; connect.sid=old' });
  await until(() => checks >= 3);
  await expectOpen(client);
  isIn = false;
  expect(await closeOf(client)).toBe('1008 the login has ended');
});

describe('the request of a check', () => {
  test('has the method, URL, headers and addresses of the opening request, and no body', async () => {
    const seen: unknown[] = [];
    const tell = (req: Marked) => {
      const { method, url, headers, rawHeaders, httpVersion, complete, socket } = req;
      const { remoteAddress, remotePort, localAddress, localPort } = socket;
      const from = { remoteAddress, remotePort, localAddress, localPort };
      seen.push({ method, url, headers: { ...headers }, rawHeaders, httpVersion, complete, ...from });
    };
    const tunnel = await echoTunnel();
    const { port, server } = await startHttp((req: Marked, res) => {
      tell(req);
      tunnel(req, res, () => res.end());
    });
    tunnel.attach(server);
    const headers = { Cookie: ['a=1', 'b=2'], 'X-Name': 'M\u00fcller' };
    const client = requestTunnel(port, '/tunnel?token=secret', headers);
    expect((await client.answer()).status).toBe(101);
    await until(() => seen.length >= 3);
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
  });

  test('reads as empty for a middleware that reads the body', async () => {
    let bodies = 0;
    const { port, tunnel } = await startBehind((req, _res, reach) => {
      req.resume().once('end', () => {
        bodies++;
        reach();
      });
    });
    const client = await open(port);
    await until(() => bodies >= 3);
    await expectOpen(client);
    expect(tunnel.stats().open).toBe(1);
  });

  test('ends the tunnel over Connect', async () => {
    const tunnel = await echoTunnel();
    let isIn = true;
    const app = connectApp();
    app.use((_req, res, next) => {
      if (isIn) next();
      else res.writeHead(302, { Location: '/login' }).end();
    });
    app.use('/tunnel', tunnel as never);
    const { port } = await startHttp(app);
    const client = await open(port);
    isIn = false;
    expect(await closeOf(client)).toBe('1008 the login has ended');
  });

  test('ends the tunnel over HTTP/2', async () => {
    const tunnel = await echoTunnel();
    let isIn = true;
    let checks = 0;
    const app = express().use('/tunnel', (req, res, next) => {
      expect((req.socket as { encrypted?: boolean }).encrypted).toBe(true);
      if ((req as Marked).wstunnelCheck) checks++;
      if (isIn) next();
      else res.sendStatus(403);
    });
    app.use('/tunnel', tunnel);
    const server = createSecureServer({ ...certificate(), allowHTTP1: true }, app as never);
    await listen(server);
    const client = await openOverHttp2(await connectHttp2(portOf(server)), '/tunnel');
    await until(() => checks >= 3);
    await expectOpen(client);
    isIn = false;
    expect(await closeOf(client)).toBe('1008 the login has ended');
  });
});

describe('the answer to a check', () => {
  test.each([200, 301, 302, 400, 401, 403, 404, 410])('%i ends the tunnel', async (status) => {
    const { port, tunnel } = await startBehind((_req, res) => res.writeHead(status).end('x'));
    const ended = closed(tunnel);
    const client = await open(port);
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(await ended).toMatchObject({ cause: 'login-ended' });
  });

  const thrown = new Error('on purpose');
  const unclear: [string, (req: Marked, res: ServerResponse, reach: () => void) => void][] = [
    ['408', (_req, res) => void res.writeHead(408).end()],
    ['429', (_req, res) => void res.writeHead(429).end()],
    ['500', (_req, res) => void res.writeHead(500).end()],
    ['503 with a long body', (_req, res) => void res.writeHead(503).end(Buffer.alloc(1_000_000))],
    ['a response without end', (_req, res) => void res.writeHead(500).write('a')],
    [
      'a throw',
      () => {
        throw thrown;
      },
    ],
    ['a destroyed request', (req) => void req.destroy()],
    ['a destroyed response', (_req, res) => void res.destroy()],
    ['a destroyed socket', (req) => void req.socket.destroy()],
  ];

  test.each(unclear)('%s keeps the tunnel, and is tried again sooner', async (_name, answer) => {
    const complaints = watchComplaints();
    // The first check comes within the interval. The deadline of a check is longer than this test.
    const endless = answer === unclear[4]![1];
    const { port, checks } = await startBehind(answer, { revalidate: 2 });
    const client = await open(port);
    await until(() => checks.length >= (endless ? 1 : 3));
    await expectOpen(client);
    expect(complaints).toEqual([]);
  });

  test('of failAfter seconds without a verdict ends the tunnel, even if the app never answers', async () => {
    const { port, tunnel } = await startBehind(() => undefined, {
      revalidate: { every: EVERY, failAfter: 3 * EVERY },
    });
    const ended = closed(tunnel);
    const client = await open(port);
    expect(await closeOf(client)).toBe('1008 the login could not be checked');
    const { cause, duration } = await ended;
    expect(cause).toBe('login-unclear');
    expect(duration).toBeGreaterThan(2 * EVERY);
  });

  test('counts once: a second answer, also after the tunnel has closed, has no effect', async () => {
    const complaints = watchComplaints();
    const { port, tunnel, checks } = await startBehind((_req, res, reach) => {
      reach();
      try {
        res.writeHead(401).end('late');
      } catch {
        // The response has ended.
      }
    });
    const client = await open(port);
    await until(() => checks.length >= 3);
    await expectOpen(client);
    client.socket.destroy();
    await until(() => tunnel.stats().open === 0);
    for (const { res } of checks) {
      res.write('much later');
      res.end();
    }
    await sleep(50);
    expect(complaints).toEqual([]);
  });

  test('that is under way when the tunnel closes is aborted', async () => {
    const gone: string[] = [];
    const { port, tunnel, checks } = await startBehind((_req, res) => {
      res.once('close', () => gone.push('closed'));
    });
    const client = await open(port);
    await until(() => checks.length === 1);
    client.socket.destroy();
    await until(() => tunnel.stats().open === 0 && gone.length === 1);
    expect(checks[0]!.req.socket.destroyed).toBe(true);
  });

  test('is the end if a guard of the tunnel refuses', async () => {
    let mayStay = true;
    const { port, tunnel, checks } = await startBehind((_req, _res, reach) => reach(), {
      authenticate: () => Promise.resolve(mayStay),
    });
    const ended = closed(tunnel);
    const client = await open(port);
    await until(() => checks.length >= 3);
    await expectOpen(client);
    mayStay = false;
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(await ended).toMatchObject({ cause: 'login-ended' });
  });

  test('is the end if another tunnel is reached', async () => {
    const other = await echoTunnel();
    const { port } = await startBehind((req, res) => other(req, res, () => undefined));
    expect(await closeOf(await open(port))).toBe('1008 the login has ended');
  });
});

test('close() stops the checks', async () => {
  const { port, tunnel, checks } = await startBehind((_req, _res, reach) => reach());
  const client = await open(port);
  onCleanup(() => client.socket.destroy());
  await until(() => checks.length >= 1);
  const closing = tunnel.close({ timeout: 0.5 });
  const before = checks.length;
  await closing;
  expect(checks).toHaveLength(before);
});

test('never are more than 32 checks under way', async () => {
  const { port, checks } = await startBehind(() => undefined);
  await Promise.all(Array.from({ length: 40 }, () => open(port)));
  await until(() => checks.length >= 32);
  await sleep(3 * EVERY * 1000);
  expect(checks).toHaveLength(32);
});

test('failAfter ends also a tunnel whose check waits for checks that hang', async () => {
  const { port, tunnel, checks } = await startBehind(() => undefined, {
    rules: [{ url: '/tunnel/short', revalidate: { every: EVERY, failAfter: 1 } }],
  });
  await Promise.all(Array.from({ length: 32 }, () => open(port)));
  await until(() => checks.length === 32);
  const ended = closed(tunnel);
  const client = requestTunnel(port, '/tunnel/short');
  expect((await client.answer()).status).toBe(101);
  expect(await closeOf(client)).toBe('1008 the login could not be checked');
  const { cause, duration } = await ended;
  expect(cause).toBe('login-unclear');
  expect(duration).toBeGreaterThan(0.9);
  // The other checks hang until their deadline of 10 seconds, and no check of this tunnel has begun.
  expect(checks).toHaveLength(32);
});

describe('the usual middleware', () => {
  test('a rate limit lets the tunnels live, and can skip the checks', async () => {
    for (const skips of [true, false]) {
      const tunnel = await echoTunnel();
      let checks = 0;
      const app = express();
      app.use('/tunnel', (req, _res, next) => {
        if ((req as Marked).wstunnelCheck) checks++;
        next();
      });
      const skip = (req: IncomingMessage) => skips && (req as Marked).wstunnelCheck === true;
      app.use('/tunnel', rateLimit({ limit: 2, windowMs: 60_000, skip }), tunnel);
      const { port } = await startHttp(app as never);
      const client = await open(port);
      await until(() => checks >= 4);
      await expectOpen(client);
      const other = requestTunnel(port, '/tunnel');
      expect((await other.answer()).status).toBe(skips ? 101 : 429);
    }
  });

  test('helmet, body parsers, cookie-session and morgan pass the checks', async () => {
    const tunnel = await echoTunnel();
    const lines: string[] = [];
    let checks = 0;
    let isIn = true;
    const app = express();
    const skip = (req: IncomingMessage) => (req as Marked).wstunnelCheck === true;
    app.use(
      morgan(':method :url :status', { skip, stream: { write: (line) => void lines.push(line.trim()) } }),
    );
    app.use(helmet(), express.json(), express.urlencoded(), cookieSession({ secret: 'spec' }));
    app.get('/login', (req, res) => {
      (req as Marked).session = { name: 'ann' };
      res.end();
    });
    app.use('/tunnel', (req, res, next) => {
      if ((req as Marked).wstunnelCheck) checks++;
      if (isIn && (req as Marked).session?.name === 'ann') next();
      else res.sendStatus(401);
    });
    app.use('/tunnel', tunnel);
    const { port } = await startHttp(app as never);
    const page = new RawClient(port);
    page.send(pageRequest('/login'));
    const { headers } = await page.answer();
    const cookie = (headers['set-cookie'] ?? '').match(/session(\.sig)?=[^;]*/g)?.join('; ') ?? '';
    const client = await open(port, { Cookie: cookie });
    await until(() => checks >= 3);
    await expectOpen(client);
    expect(lines).toEqual(['GET /login 200', 'GET /tunnel 101']);
    isIn = false;
    expect(await closeOf(client)).toBe('1008 the login has ended');
  });
});

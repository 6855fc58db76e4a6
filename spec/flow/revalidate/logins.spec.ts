import { once } from 'node:events';
import cookieParser from 'cookie-parser';
import cookieSession from 'cookie-session';
import { csrfSync } from 'csrf-sync';
import express, {
  type Express,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import express4 from 'express4';
import session from 'express-session';
import { jwtVerify, SignJWT } from 'jose';
import passport from 'passport';
import { Strategy as LocalStrategy } from 'passport-local';
import { describe, expect, test } from 'vitest';
import { startHttp } from '../../support/servers.js';
import { sleep, until } from '../../support/wait.js';
import { closed, closeOf, cookiesOf, echoTunnel, EVERY, expectOpen, open, type Marked } from './site.js';

const sessions = () => session({ secret: 'spec', resave: false, saveUninitialized: false });

interface Account {
  readonly username: string;
  role: string;
}

describe.each([
  ['Express 5', express as () => Express],
  ['Express 4', express4 as unknown as () => Express],
])('Passport with passport-local: %s', (_name, make) => {
  async function start() {
    const accounts = new Map<string, Account>(
      ['ann', 'bob'].map((username) => [username, { username, role: 'admin' }]),
    );
    let isDown = false;
    const own = new passport.Passport();
    own.use(new LocalStrategy((username, _password, done) => done(null, accounts.get(username) ?? false)));
    own.serializeUser<string>((user, done) => done(null, (user as Account).username));
    own.deserializeUser<string>((username, done) => {
      if (isDown) done(new Error('the database is down'));
      else done(null, accounts.get(username) ?? false);
    });
    const tunnel = await echoTunnel();
    const app = make().set('env', 'test');
    app.use(sessions(), own.initialize() as RequestHandler, own.session() as RequestHandler);
    app.get('/login', own.authenticate('local') as RequestHandler, (_req, res) => void res.end('in'));
    app.get('/logout', (req, res, next) => {
      req.logout((error) => {
        if (error) next(error);
        else res.end('out');
      });
    });
    app.use('/tunnel', (req: Request, res: Response, next: NextFunction) => {
      const user = req.user as Account | undefined;
      if (!user) res.sendStatus(401);
      else if (user.role !== 'admin') res.sendStatus(403);
      else next();
    });
    app.use('/tunnel', tunnel);
    const { port } = await startHttp(app);
    const login = (username: string, cookie?: string) =>
      cookiesOf(port, `/login?username=${username}&password=x`, cookie);
    const cookie = await login('ann');
    const client = await open(port, { Cookie: cookie });
    const setDown = (down: boolean) => (isDown = down);
    return { port, tunnel, accounts, login, cookie, client, setDown };
  }

  test('a logout in another tab ends the tunnel', async () => {
    const { port, tunnel, cookie, client } = await start();
    await sleep(3 * EVERY * 1000);
    await expectOpen(client);
    const ended = closed(tunnel);
    await cookiesOf(port, '/logout', cookie);
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(await ended).toMatchObject({ cause: 'login-ended', user: 'ann' });
  });

  test('another login in the same browser ends the tunnel, since Passport makes a new session', async () => {
    const { login, cookie, client } = await start();
    expect(await login('bob', cookie)).not.toBe(cookie);
    expect(await closeOf(client)).toBe('1008 the login has ended');
  });

  test.each([
    ['deleted', (accounts: Map<string, Account>) => void accounts.delete('ann')],
    ['without its role', (accounts: Map<string, Account>) => (accounts.get('ann')!.role = 'guest')],
  ])('an account that is %s ends the tunnel', async (_case, change) => {
    const { accounts, client } = await start();
    change(accounts);
    expect(await closeOf(client)).toBe('1008 the login has ended');
  });

  test('a database that is down keeps the tunnel', async () => {
    const { setDown, client } = await start();
    setDown(true);
    await sleep(5 * EVERY * 1000);
    await expectOpen(client);
    setDown(false);
    await sleep(3 * EVERY * 1000);
    await expectOpen(client);
  });
});

describe('a JWT', () => {
  const secret = new TextEncoder().encode('the secret of this test, 32 bytes');
  const sign = (user: string, seconds: number) =>
    new SignJWT({ user })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(secret);

  test.each([
    ['in a cookie', (token: string) => open(port, { Cookie: `theme=dark; token=${token}` })],
    ['in Authorization', (token: string) => open(port, { Authorization: `Bearer ${token}` })],
    ['in the URL', (token: string) => open(port, {}, `/tunnel?token=${token}`)],
  ])('%s ends the tunnel when the token expires, and not before', async (_name, openWith) => {
    const tunnel = await echoTunnel({ user: (req) => (req as Request).res?.locals.user as string });
    const app = express().set('env', 'test').use(cookieParser());
    app.use('/tunnel', async (req, res, next) => {
      const cookies = req.cookies as Record<string, string | undefined>;
      const token = cookies.token ?? req.get('Authorization')?.slice(7) ?? (req.query.token as string);
      try {
        res.locals.user = (await jwtVerify(token, secret)).payload.user;
        next();
      } catch {
        res.sendStatus(401);
      }
    });
    app.use('/tunnel', tunnel);
    ({ port } = await startHttp(app));
    const expiry = (Math.floor(Date.now() / 1000) + 2) * 1000;
    const client = await openWith(await sign('ann', 2));
    const ended = closed(tunnel);
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(Date.now()).toBeGreaterThanOrEqual(expiry);
    expect(await ended).toMatchObject({ cause: 'login-ended', user: 'ann' });
  });
  let port = 0;
});

describe('cookie-session', () => {
  test('does not know of a logout: its cookie stays valid, so the logout calls end()', async () => {
    const tunnel = await echoTunnel({ user: (req: Marked) => req.session?.name });
    let checks = 0;
    const app = express().use(cookieSession({ secret: 'spec' }));
    app.get('/login', (req, res) => {
      (req as Marked).session!.name = 'ann';
      res.end();
    });
    app.get('/logout', (req, res) => {
      const name = (req as Marked).session?.name;
      if (req.query.end !== undefined) tunnel.end(({ user }) => user === name);
      (req as unknown as { session: null }).session = null;
      res.end();
    });
    app.use('/tunnel', (req, res, next) => {
      if ((req as Marked).wstunnelCheck) checks++;
      if ((req as Marked).session?.name === undefined) res.sendStatus(401);
      else next();
    });
    app.use('/tunnel', tunnel);
    const { port } = await startHttp(app as never);
    const cookie = await cookiesOf(port, '/login');
    const client = await open(port, { Cookie: cookie });
    await cookiesOf(port, '/logout', cookie);
    const before = checks;
    await until(() => checks >= before + 3);
    await expectOpen(client);
    const ended = closed(tunnel);
    await cookiesOf(port, '/logout?end', cookie);
    await closeOf(client);
    expect(await ended).toMatchObject({ cause: 'ended-by-app' });
  });
});

describe('csrf-sync', () => {
  test('lets the checks pass, and its token stays valid', async () => {
    const { csrfSynchronisedProtection, generateToken } = csrfSync();
    const tunnel = await echoTunnel({ revalidate: { every: EVERY, touch: 'always' } });
    let checks = 0;
    const app = express().set('env', 'test').use(sessions(), csrfSynchronisedProtection);
    app.get('/token', (req, res) => void res.end(generateToken(req)));
    app.post('/form', (_req, res) => void res.end('accepted'));
    app.use('/tunnel', (req, _res, next) => {
      if ((req as Marked).wstunnelCheck) checks++;
      next();
    });
    app.use('/tunnel', tunnel);
    const { port } = await startHttp(app as never);
    const page = await fetch(`http://127.0.0.1:${port}/token`);
    const token = await page.text();
    const cookie = page.headers.getSetCookie()[0]!.split(';')[0]!;
    const client = await open(port, { Cookie: cookie });
    await until(() => checks >= 4);
    await expectOpen(client);
    const headers = { cookie, 'x-csrf-token': token };
    const form = await fetch(`http://127.0.0.1:${port}/form`, { method: 'POST', headers });
    expect(await form.text()).toBe('accepted');
    client.socket.destroy();
    await once(client.socket, 'close');
  });
});

import express, { type Express, type RequestHandler } from 'express';
import session, { MemoryStore, type SessionOptions, type Store } from 'express-session';
import type { Tunnel } from '../../../src/index.js';
import { startHttp } from '../../support/servers.js';
import { cookiesOf, echoTunnel, open, type Marked } from './site.js';

const withSession = (store: Store, more: Partial<SessionOptions>) =>
  session({
    ...{ secret: 'spec', resave: false, saveUninitialized: false, store, cookie: { maxAge: 60_000 } },
    ...more,
  });

/** Pages /login/NAME and /logout, and a tunnel behind the login. */
function build(app: Express, tunnel: Tunnel, sessions: RequestHandler): void {
  app.set('env', 'test');
  const requireLogin: RequestHandler = (req, res, next) =>
    req.session.name === undefined ? void res.sendStatus(401) : next();
  app.use(sessions);
  app.get('/login/:name', (req, res) => {
    req.session.name = req.params.name;
    res.end('in');
  });
  app.get('/logout', (req, res) => req.session.destroy(() => res.end('out')));
  app.use('/tunnel', requireLogin, tunnel);
}

/** The site, a logged-in user `ann` and her tunnel. */
export async function startSite(
  store: Store = new MemoryStore(),
  make: () => Express = express,
  options = {},
  sessions: Partial<SessionOptions> = {},
) {
  const tunnel = await echoTunnel({ user: (req: Marked) => req.session?.name, ...options });
  const app = make();
  build(app, tunnel, withSession(store, sessions));
  const { port } = await startHttp(app);
  const cookie = await cookiesOf(port, '/login/ann');
  const client = await open(port, { Cookie: cookie });
  return { port, tunnel, cookie, client };
}

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import express, { type Request, type RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';
import session from 'express-session';
import { wstunnel, type ServerOption, type SharedState, type Tunnel } from 'express-wstunnel';
import helmet from 'helmet';
import { ADMINISTRATOR, isAdministrator, requireAdministrator, showPage } from './administrator.js';
import { listen, type Place } from './listen.js';
import { requireOwnName } from './names.js';
import { NOVNC, PUBLIC } from './pages.js';
import { startRecordings } from './recordings/index.js';
import { showStoreError } from './store-error.js';

declare module 'express-session' {
  interface SessionData {
    user: string;
    /** A random id, new for each login. */
    login: string;
  }
}

export interface DemoOptions extends Place {
  username: string;
  password: string;
  /** The password of the administrator. Default: there is no administrator. */
  adminPassword?: string;
  /** The folder of the recordings. Default: nothing is recorded. */
  record?: string;
  /** The VNC server, or a function that finds a user's VNC server. */
  vnc: ServerOption<Request>;
  /** The name of the desktop on the page. */
  desktop: string;
  /** Default: a random secret, and a store in memory. */
  sessions?: Sessions;
  /** The state that several demos share. Default: none. */
  shared?: SharedState;
}

/** The sessions that several demos share. */
export interface Sessions {
  readonly secret: string;
  readonly store: session.Store;
}

export interface Demo {
  readonly server: Server;
  readonly tunnel: Tunnel<Request>;
  readonly port: number;
  close(): Promise<void>;
}

/** Seconds between two checks of the login of an open tunnel. Short, for people who try the logout. */
const REVALIDATE = 3;
/** Of all processes together; only so that Redis has counts to look at. */
const SHARED_LIMITS = { total: 100, perUser: 16 };

/** A noVNC page with a login: one middleware guards both the page and the tunnel. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const app = express();
  app.disable('x-powered-by');
  app.use(helmet({ contentSecurityPolicy: { directives: contentRules }, strictTransportSecurity: false }));
  app.use(requireOwnName(options.host));
  app.use('/assets', express.static(PUBLIC, { index: false }));
  app.use('/novnc', express.static(NOVNC, { index: false }));
  app.use(
    session({
      name: 'demo.sid',
      secret: randomBytes(32).toString('hex'),
      ...options.sessions,
      resave: false,
      saveUninitialized: false,
      cookie: { httpOnly: true, sameSite: 'lax' },
    }),
  );

  const recordings = options.record === undefined ? undefined : startRecordings(options.record);
  const tunnel = wstunnel<Request>({
    url: /^\/websockify/,
    server: options.vnc,
    user: loginOf,
    // A tunnel ends with its session. After a logout it ends at once: see logout().
    revalidate: REVALIDATE,
    // A page can read the reason of a close code, but not the status of a refused upgrade.
    refuseWith: 'close',
    ...(recordings && { record: recordings.record }),
    ...(options.shared && { shared: options.shared, limits: SHARED_LIMITS }),
  });
  app.use('/vnc', requireLogin, tunnel);

  app.use('/admin', requireAdministrator, tunnel.admin());
  app.use('/recordings', requireAdministrator);
  if (recordings) app.use('/recordings', recordings.router);
  else app.use('/recordings', (_req, res) => showPage(res, 404, 'missing.html'));

  app.get('/login', (_req, res) => res.sendFile('login.html', { root: PUBLIC }));
  // The user may choose a short password: allow 30 failed logins in 15 minutes.
  const slowGuesses = rateLimit({
    windowMs: 900_000,
    limit: 30,
    skipSuccessfulRequests: true,
    requestWasSuccessful: (req: Request) => req.session.user !== undefined,
    message: 'Too many failed logins: wait 15 minutes, or restart the demo.',
  });
  app.post('/login', slowGuesses, express.urlencoded({ extended: false, limit: '4kb' }), login(options));
  app.post('/logout', logout(tunnel));
  app.get('/whoami', requireLogin, (req, res) => {
    res.set('Cache-Control', 'no-store');
    res.json({
      user: req.session.user,
      isAdmin: isAdministrator(req),
      desktop: options.desktop,
      tunnels: tunnel.stats().open,
      isRecorded: recordings !== undefined,
    });
  });
  app.get('/', (req, res) => {
    if (req.session.user === undefined) res.redirect(303, '/login');
    else res.set('Cache-Control', 'no-store').sendFile('index.html', { root: PUBLIC });
  });

  app.use(showStoreError);

  const server = createServer(app);
  const port = await listen(server, options);
  return {
    server,
    tunnel,
    port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      await tunnel.close({ timeout: 2 });
      server.closeAllConnections();
      await closed;
    },
  };
}

const contentRules = {
  defaultSrc: ["'self'"],
  connectSrc: ["'self'", 'ws:', 'wss:'],
  imgSrc: ["'self'", 'data:', 'blob:'],
  // By default helmet makes browsers replace http by https.
  upgradeInsecureRequests: null,
};

const requireLogin: RequestHandler = (req, res, next) => {
  if (req.session.user === undefined) res.status(401).json({ error: 'not logged in' });
  else next();
};

function login({ username, password, adminPassword }: DemoOptions): RequestHandler {
  const passwords = new Map([[username, password]]);
  if (adminPassword !== undefined) passwords.set(ADMINISTRATOR, adminPassword);
  return (req, res, next) => {
    const given = (req.body ?? {}) as Record<string, unknown>;
    const accounts = [...passwords].filter(
      ([name, right]) => isSame(given.username, name) && isSame(given.password, right),
    );
    const [user] = accounts[0] ?? [];
    if (user === undefined) {
      res.redirect(303, '/login?error=1');
      return;
    }
    // A new session id, so that an id that an attacker planted before the login is worthless.
    req.session.regenerate((error: unknown) => {
      if (error) {
        next(error);
        return;
      }
      req.session.user = user;
      req.session.login = randomBytes(4).toString('hex');
      // The browser may follow the redirect, to another process, before express-session has saved the session at the response's end.
      req.session.save((failure: unknown) => {
        if (failure) next(failure);
        else res.redirect(303, '/');
      });
    });
  };
}

/** The user of a tunnel is one login, so that a logout leaves the tunnels of other logins of the same person open. */
function loginOf({ session: { user, login } }: Request): string | undefined {
  return user === undefined || login === undefined ? undefined : `${user}/${login}`;
}

/** Ends the session, then its tunnels in all processes. A tunnel that is missed ends with the next check of its login. */
function logout(tunnel: Tunnel<Request>): RequestHandler {
  return (req, res, next) => {
    const user = loginOf(req);
    req.session.destroy((error: unknown) => {
      if (error) {
        next(error);
        return;
      }
      if (user !== undefined) void tunnel.end({ user }, 1008, 'the login has ended');
      res.redirect(303, '/login?out=1');
    });
  };
}

/** Compares in constant time. */
function isSame(given: unknown, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return (
    timingSafeEqual(digest(typeof given === 'string' ? given : ''), digest(right)) &&
    typeof given === 'string'
  );
}

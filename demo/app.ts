import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:net';
import express, { type Request } from 'express';
import session from 'express-session';
import { wstunnel, type ServerOption, type SharedState, type Tunnel } from 'express-wstunnel';
import helmet from 'helmet';
import { listen, type Place } from './listen.js';
import { isForPeople, loginOf, loginRoutes, readForm, requireLogin, requireRole } from './login.js';
import { requireOwnName, requireOwnPage } from './names.js';
import { NOVNC, PUBLIC, showPage } from './pages.js';
import { startRecordings } from './recordings/index.js';
import { desktopRights } from './rights.js';
import { Accounts, ADMINISTRATOR, MemoryRoles, TRAINEE, type Account, type RoleStore } from './roles.js';
import { createWebServer, trackConnections, type Certificate } from './server.js';
import { showStoreError } from './store-error.js';
import type { ShellsOptions } from './terminal/shells.js';

export interface DemoOptions extends Place {
  username: string;
  password: string;
  /** The password of the administrator. Default: there is no administrator. */
  adminPassword?: string;
  /** The password of the trainee, who may only watch. Default: there is no trainee. */
  traineePassword?: string;
  /** The folder of the recordings. Default: nothing is recorded. */
  record?: string;
  /** The VNC server, or a function that finds a user's VNC server. */
  vnc: ServerOption<Request>;
  /** The password of the VNC server, which the pages never get. Default: the page asks the user, if the VNC server asks for one. */
  vncPassword?: string;
  /** Seconds without a key or pointer event after which a desktop ends. Default: 0, never. */
  inputIdle?: number;
  /** A shell in the browser. Default: none. */
  terminal?: ShellsOptions;
  /** The name of the desktop on the page. */
  desktop: string;
  /** The certificate and the private key for https, with HTTP/2 for browsers that use it. Default: http. */
  tls?: Certificate;
  /** Default: a random secret, and a store in memory. */
  sessions?: Sessions;
  /** The state that several demos share. Default: none. */
  shared?: SharedState;
}

/** The sessions that several demos share. */
export interface Sessions {
  readonly secret: string;
  readonly store: session.Store;
  /** Default: changed roles in memory. */
  readonly roles?: RoleStore;
}

export interface Demo {
  readonly server: Server;
  readonly tunnel: Tunnel<Request>;
  readonly port: number;
  close(): Promise<void>;
}

/** Seconds between two checks of the login of an open tunnel. Short, for people who try the logout. */
const REVALIDATE = 3;
/** The pages know this reason: see public/reasons.js. */
const LOGIN_ENDED = 'the login has ended';
const ROLE_CHANGED = 'the role has changed';
/** Of all processes together; only so that Redis has counts to look at. */
const SHARED_LIMITS = { total: 100, perUser: 16 };

/** A noVNC page with a login: one middleware guards both the page and the tunnel. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const app = express();
  app.disable('x-powered-by');
  app.use(
    helmet({
      contentSecurityPolicy: { directives: contentRules },
      strictTransportSecurity: false,
      // With helmet's default, no-referrer, the Origin of a form is "null", which tells nothing about its page.
      referrerPolicy: { policy: 'same-origin' },
    }),
  );
  app.use(requireOwnName(options.host));
  app.use(requireOwnPage);
  app.use('/assets', express.static(PUBLIC, { index: false }));
  app.use('/novnc', express.static(NOVNC, { index: false }));
  app.use(
    session({
      name: 'demo.sid',
      secret: options.sessions?.secret ?? randomBytes(32).toString('hex'),
      store: options.sessions?.store ?? new session.MemoryStore(),
      resave: false,
      saveUninitialized: false,
      cookie: { httpOnly: true, sameSite: 'lax', secure: options.tls !== undefined },
    }),
  );

  const accounts = new Accounts(accountsOf(options), options.sessions?.roles ?? new MemoryRoles());
  const rightsOf = desktopRights(accounts, options);
  const recordings = options.record === undefined ? undefined : startRecordings(options.record);
  const tunnel = wstunnel<Request>({
    url: /^\/websockify/,
    server: options.vnc,
    vnc: (req) => rightsOf(req.session.user),
    user: loginOf,
    // A tunnel ends with its session, and with a change of its rights. After a logout it ends at once: see below.
    revalidate: REVALIDATE,
    // A page can read the reason of a close code, but not the status of a refused upgrade.
    refuseWith: 'close',
    ...(recordings && { record: recordings.record }),
    ...(options.shared && { shared: options.shared, limits: SHARED_LIMITS }),
  });
  app.use('/vnc', requireLogin, tunnel);

  // node-pty is a native module, which only the terminal needs.
  const terminal =
    options.terminal && (await import('./terminal/index.js')).startTerminal(accounts, options.terminal);

  const requireAdministrator = requireRole(accounts, ['administrator'], 'forbidden.html');
  if (terminal) app.use('/admin/terminals', requireAdministrator, terminal.tunnel.admin());
  app.use('/admin', requireAdministrator, tunnel.admin());
  app.use('/recordings', requireAdministrator);
  if (recordings) app.use('/recordings', recordings.router);
  else app.use('/recordings', (_req, res) => showPage(res, 404, 'missing.html'));
  if (terminal) app.use('/terminal', terminal.router);

  app.get('/roles', requireAdministrator, (_req, res) => showPage(res, 200, 'roles.html'));
  app.post('/roles', requireAdministrator, readForm, async (req, res) => {
    const { name, role } = (req.body ?? {}) as Record<string, unknown>;
    if (!(await accounts.change(name, role))) {
      res.status(400).json({ error: 'no such account or role' });
      return;
    }
    if (role === 'trainee') terminal?.endAll(String(name), ROLE_CHANGED);
    res.redirect(303, '/roles');
  });

  // In all processes. A tunnel that is missed ends with the next check of its login.
  const ended = (user: string) => {
    void tunnel.end({ user }, 1008, LOGIN_ENDED);
    terminal?.end(user, LOGIN_ENDED);
  };
  app.use(loginRoutes(accounts, ended));
  app.get('/whoami', requireLogin, async (req, res) => {
    const role = await accounts.roleOf(req.session.user);
    res.set('Cache-Control', 'no-store');
    res.json({
      user: req.session.user,
      role,
      isAdmin: role === 'administrator',
      viewOnly: role === 'trainee',
      // A watcher has no input to wait for.
      inputIdle: role === 'trainee' ? 0 : (options.inputIdle ?? 0),
      desktop: options.desktop,
      tunnels: tunnel.stats().open,
      isRecorded: recordings !== undefined,
      hasTerminal: terminal !== undefined && role !== 'trainee',
      knowsPassword: options.vncPassword !== undefined,
    });
  });
  app.get('/', (req, res) => {
    if (req.session.user === undefined) res.redirect(303, '/login');
    else res.set('Cache-Control', 'no-store').sendFile('index.html', { root: PUBLIC });
  });

  app.use((req, res, next) => {
    if (isForPeople(req)) showPage(res, 404, 'missing.html');
    else next();
  });
  app.use(showStoreError);

  const server = createWebServer(app, options.tls);
  const closeConnections = trackConnections(server);
  const port = await listen(server, options);
  return {
    server,
    tunnel,
    port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      await Promise.all([tunnel.close({ timeout: 2 }), terminal?.close()]);
      closeConnections();
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

function accountsOf({ username, password, adminPassword, traineePassword }: DemoOptions): Account[] {
  const accounts: Account[] = [{ name: username, password, role: 'operator' }];
  if (traineePassword !== undefined)
    accounts.push({ name: TRAINEE, password: traineePassword, role: 'trainee' });
  if (adminPassword !== undefined)
    accounts.push({ name: ADMINISTRATOR, password: adminPassword, role: 'administrator' });
  return accounts;
}

import { randomBytes } from 'node:crypto';
import express, { Router, type Request, type RequestHandler, type Response } from 'express';
import { rateLimit } from 'express-rate-limit';
import { PUBLIC, showPage } from './pages.js';
import { ADMINISTRATOR, type Accounts, type Role } from './roles.js';

declare module 'express-session' {
  interface SessionData {
    /** The name of the account. */
    user: string;
    /** A random id, new for each login. */
    login: string;
  }
}

/** The pages and routes of the login; `ended` is called with each login that has ended by a logout. */
export function loginRoutes(accounts: Accounts, ended: (login: string) => void): Router {
  const router = Router();
  router.get('/login', (_req, res) => res.sendFile('login.html', { root: PUBLIC }));
  // The login page of a real app would not tell its accounts.
  router.get('/logins', async (_req, res) => {
    res.set('Cache-Control', 'no-store').json(await accounts.list());
  });
  // The user may choose a short password: allow 30 failed logins in 15 minutes.
  const slowGuesses = rateLimit({
    windowMs: 900_000,
    limit: 30,
    skipSuccessfulRequests: true,
    requestWasSuccessful: (req: Request) => req.session.user !== undefined,
    message: 'Too many failed logins: wait 15 minutes, or restart the demo.',
  });
  router.post('/login', slowGuesses, readForm, login(accounts));
  router.post('/logout', logout(ended));
  return router;
}

/** Reads the small form of a page. */
export const readForm = express.urlencoded({ extended: false, limit: '4kb' });

/** The user of a tunnel is one login, so that a logout leaves the tunnels of other logins of the same person open. */
export function loginOf({ session: { user, login } }: Request): string | undefined {
  return user === undefined || login === undefined ? undefined : `${user}/${login}`;
}

export const isAdministrator = ({ session }: Request) => session.user === ADMINISTRATOR;

/** Without a login, the tunnel and the data of the pages get 401. */
export const requireLogin: RequestHandler = (req, res, next) => {
  if (req.session.user === undefined) res.status(401).json({ error: 'not logged in' });
  else next();
};

/** A page without a login goes on to the login; a user with another role gets 403 and the page of that name. */
export function requireRole(accounts: Accounts, roles: readonly Role[], page: string): RequestHandler {
  return async (req, res, next) => {
    const role = await accounts.roleOf(req.session.user);
    if (role !== undefined && roles.includes(role)) next();
    else if (req.session.user === undefined) {
      if (isForPeople(req)) res.redirect(303, '/login');
      else res.status(401).json({ error: 'not logged in' });
    } else if (isForPeople(req)) showPage(res, 403, page);
    else res.status(403).json({ error: `only for ${roles.join(' or ')}` });
  };
}

/** Milliseconds between two checks of the login of an open stream, as of an open tunnel. */
const CHECK_EVERY = 3000;

/** Aborted when the login of the administrator ends before the response: a response may last as long as a recording. */
export function untilLogout(req: Request, res: Response): AbortSignal {
  const { sessionStore, sessionID } = req;
  const ending = new AbortController();
  const check = () =>
    sessionStore.get(sessionID, (error: unknown, session) => {
      if (error || session?.user !== ADMINISTRATOR) ending.abort();
    });
  const timer = setInterval(check, CHECK_EVERY);
  res.on('close', () => clearInterval(timer));
  return ending.signal;
}

/** Does the browser load a page? */
export const isForPeople = (req: Request) =>
  req.method === 'GET' && req.get('accept')?.includes('text/html') === true;

function login(accounts: Accounts): RequestHandler {
  return (req, res, next) => {
    const given = (req.body ?? {}) as Record<string, unknown>;
    const user = accounts.check(given.username, given.password);
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

function logout(ended: (login: string) => void): RequestHandler {
  return (req, res, next) => {
    const ending = loginOf(req);
    req.session.destroy((error: unknown) => {
      if (error) {
        next(error);
        return;
      }
      if (ending !== undefined) ended(ending);
      res.redirect(303, '/login?out=1');
    });
  };
}

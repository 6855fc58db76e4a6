import type { Request, RequestHandler, Response } from 'express';
import { PUBLIC } from './pages.js';

/** The name of the administrator. */
export const ADMINISTRATOR = 'admin';

export const isAdministrator = ({ session }: Request) => session.user === ADMINISTRATOR;

/** A page without a login goes on to the login; a user who is not the administrator gets 403. */
export const requireAdministrator: RequestHandler = (req, res, next) => {
  if (isAdministrator(req)) next();
  else if (req.session.user === undefined) {
    if (isForPeople(req)) res.redirect(303, '/login');
    else res.status(401).json({ error: 'not logged in' });
  } else if (isForPeople(req)) showPage(res, 403, 'forbidden.html');
  else res.status(403).json({ error: 'only for the administrator' });
};

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
const isForPeople = (req: Request) =>
  req.method === 'GET' && req.get('accept')?.includes('text/html') === true;

export function showPage(res: Response, status: number, name: string): void {
  res.status(status).set('Cache-Control', 'no-store').sendFile(name, { root: PUBLIC });
}

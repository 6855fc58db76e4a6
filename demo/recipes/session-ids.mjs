// Sessions for frameworks that do not run express-session: a cookie has a random id, and the program stores the user of
// each id. Replace this file with the session plugin of your framework, with a store.
import { randomBytes } from 'node:crypto';

const MAX_AGE = 8 * 3600 * 1000; // milliseconds
const MAX_SESSIONS = 10_000;
const sessions = new Map();

/** Begins a session at the login, and returns its id for the cookie. */
export function openSession(user) {
  const [oldest] = sessions.keys();
  if (sessions.size >= MAX_SESSIONS) sessions.delete(oldest);
  const id = randomBytes(24).toString('base64url');
  sessions.set(id, { user, expires: Date.now() + MAX_AGE });
  return id;
}

/** The user of a session, or undefined. */
export function userOfSession(id) {
  const session = sessions.get(id);
  if (session && session.expires > Date.now()) return session.user;
  sessions.delete(id);
}

/** Ends a session at the logout. */
export function closeSession(id) {
  sessions.delete(id);
}

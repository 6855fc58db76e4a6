import type { IncomingMessage } from 'node:http';
import { TunnelError } from '../errors.js';

type UserOf<Req> = ((req: Req) => string | undefined) | undefined;

/** The user's name: from the hook `user`, else from Passport's `req.user`. */
export function userOf<Req extends IncomingMessage>(req: Req, user: UserOf<Req>): string | undefined {
  if (user) return user(req);
  const known = (req as { user?: unknown }).user;
  if (typeof known === 'string') return known;
  if (typeof known !== 'object' || known === null) return undefined;
  const { username, name, email, id } = known as Record<string, unknown>;
  const first = [username, name, email, id].find(
    (value) => typeof value === 'string' || typeof value === 'number',
  );
  return first === undefined ? undefined : String(first);
}

/** Checks a result of {@link userOf}, since JavaScript has no types. A number is a name, as in Passport's users; null is no user. */
export function checkUserResult(name: unknown): string | undefined {
  if (typeof name === 'string') return name;
  if (typeof name === 'number' || typeof name === 'bigint') return String(name);
  if (name === undefined || name === null) return undefined;
  throw new TunnelError('WSTUNNEL_HOOK_FAILED', 'user: the result must be a string or undefined');
}

/**
 * The user's name for a request that was refused before the `user` hook ran: the hook may depend on `authenticate`, and throw
 * here. A promise, which the hook's type does not allow, counts as no name; a rejection of the promise must not end the process.
 */
export function userIfKnown<Req extends IncomingMessage>(req: Req, user: UserOf<Req>): string | undefined {
  try {
    const known: unknown = userOf(req, user);
    Promise.resolve(known).catch(() => undefined);
    return checkUserResult(known);
  } catch {
    // The user is not known yet.
  }
  return undefined;
}

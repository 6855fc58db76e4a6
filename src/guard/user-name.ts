import type { IncomingMessage } from 'node:http';

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

/**
 * The user's name for a request that was refused before the `user` hook ran: the hook may depend on `authenticate`, and throw
 * here. A promise, which the hook's type does not allow, counts as no name; a rejection of the promise must not end the process.
 */
export function userIfKnown<Req extends IncomingMessage>(req: Req, user: UserOf<Req>): string | undefined {
  try {
    const known: unknown = userOf(req, user);
    if (typeof known === 'string') return known;
    Promise.resolve(known).catch(() => undefined);
  } catch {
    // The user is not known yet.
  }
  return undefined;
}

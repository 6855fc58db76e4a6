import type { IncomingMessage } from 'node:http';

type UserOf<Req> = ((req: Req) => string | undefined) | undefined;

/** The user's name by the hook, else by what Passport left on the request. */
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

/** The same before `authenticate`, which may be what names the user: until then nobody may be known. */
export function userSoFar<Req extends IncomingMessage>(req: Req, user: UserOf<Req>): string | undefined {
  try {
    return userOf(req, user);
  } catch {
    return undefined;
  }
}

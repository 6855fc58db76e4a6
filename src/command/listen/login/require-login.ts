import type { IncomingMessage, ServerResponse } from 'node:http';
import { checkOf } from '../../../upgrade/check/check-on-request.js';
import { defaultAddress, networkOf, normalizeAddress } from '../../../request/client-address.js';
import type { Next } from '../../../types.js';
import type { Accounts, LoginVerdict } from './accounts.js';
import type { LoginCookie } from './login-cookie.js';
import { isBeyondBcrypt } from './secrets.js';

interface Credentials {
  readonly name: string;
  readonly password: string;
}

/** The answer to a refused request. */
interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

const REFUSALS: Readonly<Record<Exclude<LoginVerdict, 'yes' | 'gone'>, Refusal>> = {
  no: {
    status: 401,
    headers: { 'WWW-Authenticate': 'Basic realm="express-wstunnel", charset="UTF-8"' },
    text: 'log in first',
  },
  busy: { status: 503, headers: { 'Retry-After': '1' }, text: 'too many logins at once' },
  slowed: {
    status: 429,
    headers: { 'Retry-After': '10' },
    text: 'too many wrong logins from this address: try again in 10 seconds',
  },
  failed: {
    status: 503,
    headers: { 'Retry-After': '10' },
    text: 'passwords cannot be checked right now',
  },
};

/** Added by the password alone, so that the text reveals nothing about the name. */
const TOO_LONG = '; a password that is stored as a bcrypt hash has at most 72 bytes, and no NUL';

/** A refused login, with the name as the client wrote it. */
interface RefusedLogin {
  readonly address: string;
  readonly name: string;
  readonly status: number;
  readonly verdict: keyof typeof REFUSALS;
}

/**
 * Middleware for HTTP Basic (RFC 7617), for the page and the tunnel; sets `req.user` to the user's name. For the tunnel, the cookie
 * that the page's login has set is also accepted. `report` gets each refused login, even if the client left before the answer.
 */
export function requireLogin(
  accounts: Pick<Accounts, 'verify' | 'recheck'>,
  cookie?: LoginCookie,
  report: (refused: RefusedLogin) => void = () => undefined,
) {
  return async (
    req: IncomingMessage & { user?: unknown },
    res: ServerResponse,
    next: Next,
  ): Promise<void> => {
    try {
      if (checkOf(req)) {
        if (await recheck(accounts, cookie, req, res)) next();
        return;
      }
      const given = credentialsOf(req.headers.authorization);
      const remembered = cookie?.read(req);
      if (given) {
        // Guesses from the same address do not slow down the holder of a valid cookie.
        const isHolder = remembered?.user === given.name;
        const address = addressOf(req);
        const client = isHolder ? `cookie ${given.name}` : `address ${networkOf(address)}`;
        const { verdict, isGone } = await untilGone(res, (signal) =>
          accounts.verify(given.name, given.password, client, signal),
        );
        if (verdict !== 'yes' && verdict !== 'gone') {
          const { status } = REFUSALS[verdict];
          report({ address, name: given.name, status, verdict });
          if (!isGone) refuse(res, REFUSALS[verdict], isBeyondBcrypt(given.password) ? TOO_LONG : '');
          return;
        }
        if (isGone || verdict === 'gone') return;
        req.user = given.name;
        if (!isUpgrade(req)) cookie?.set(req, res, given.name, isHolder ? remembered.left : 0);
      } else if (remembered && isUpgrade(req)) req.user = remembered.user;
      else {
        refuse(res, REFUSALS.no);
        return;
      }
    } catch (error) {
      next(error);
      return;
    }
    next();
  };
}

/** The request of an open tunnel (`revalidate`): no failure of the client is counted or reported. Answers unless the login is valid. */
async function recheck(
  accounts: Pick<Accounts, 'recheck'>,
  cookie: LoginCookie | undefined,
  req: IncomingMessage & { user?: unknown },
  res: ServerResponse,
): Promise<boolean> {
  const given = credentialsOf(req.headers.authorization);
  // The age of a cookie ends no tunnel: a password in its place has no age either.
  const user = given?.name ?? cookie?.read(req, true)?.user;
  const verdict = given
    ? await untilGone(res, (signal) => accounts.recheck(given.name, given.password, signal))
    : { verdict: user === undefined ? ('no' as const) : ('yes' as const), isGone: false };
  if (verdict.isGone || verdict.verdict === 'gone') return false;
  if (verdict.verdict !== 'yes') {
    refuse(res, REFUSALS[verdict.verdict]);
    return false;
  }
  req.user = user;
  return true;
}

/** Checks the login, unless the client leaves before its turn. */
async function untilGone(
  res: ServerResponse,
  verify: (signal: AbortSignal) => Promise<LoginVerdict>,
): Promise<{ verdict: LoginVerdict; isGone: boolean }> {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  res.once('close', onClose);
  try {
    const verdict = await verify(gone.signal);
    return { verdict, isGone: gone.signal.aborted };
  } finally {
    res.off('close', onClose);
  }
}

function refuse(res: ServerResponse, { status, headers, text }: Refusal, more = ''): void {
  res.statusCode = status;
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.end(`${text}${status === 401 ? more : ''}\n`);
}

/** The client's address as the app sees it. */
function addressOf(req: IncomingMessage): string {
  return normalizeAddress(defaultAddress(req) ?? '');
}

function isUpgrade(req: IncomingMessage): boolean {
  return req.headers.upgrade !== undefined;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// The package basic-auth would require Node 22.
function credentialsOf(header = ''): Credentials | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header) ?? [];
  const [, name, password] = /^([^:]*):(.*)$/s.exec(textOf(encoded ?? '')) ?? [];
  return name === undefined || password === undefined ? undefined : { name, password };
}

/** Empty if the bytes are not UTF-8: a lenient decoder would map many passwords to the same text. */
function textOf(encoded: string): string {
  try {
    return UTF8.decode(Buffer.from(encoded, 'base64'));
  } catch {
    return '';
  }
}

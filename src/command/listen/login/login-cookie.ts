import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isSecure } from '../../../request/proxy-trust.js';
import type { Accounts } from './accounts.js';

/** Lifetime of a cookie in seconds: a working day. A page that is loaded with the password renews it. */
const MAX_AGE = 12 * 3600;

/** Most cookies of our name that are checked: a page of another port or path of the host may have set cookies of the same name. */
const MAX_TRIED = 16;

/** The cookie's name ends with the port, since all ports of a host share cookies. Browsers store `__Host-` cookies only over TLS. */
const PREFIX = 'wstunnel-';
const SECURE_PREFIX = `__Host-${PREFIX}`;

/** A login that a cookie proves. */
interface CookieLogin {
  readonly user: string;
  /** Seconds until the cookie expires. */
  readonly left: number;
}

/**
 * A cookie that the login on the page sets for the tunnel, since WebKit sends no Basic credentials on a WebSocket
 * (https://bugs.webkit.org/show_bug.cgi?id=80362). Its signature depends on the key of the process and on the user's password: the
 * cookie outlives SIGHUP, and becomes invalid when the process ends, the password changes or the user is removed.
 */
export class LoginCookie {
  readonly #key: Buffer;
  readonly #accounts: Pick<Accounts, 'markOf'>;
  readonly #socketName: string;
  readonly #now: () => number;

  /** On a unix socket, `socketPath` replaces the port in the cookie's name. */
  constructor(
    key: Buffer,
    accounts: Pick<Accounts, 'markOf'>,
    socketPath = '',
    now: () => number = () => Date.now() / 1000,
  ) {
    this.#key = key;
    this.#accounts = accounts;
    this.#socketName = createHash('sha256').update(socketPath).digest('hex').slice(0, 8);
    this.#now = now;
  }

  /** `isExpiredToo`: also a cookie that has expired since its tunnel opened. */
  read(req: IncomingMessage, isExpiredToo = false): CookieLogin | undefined {
    const values = valuesOf(req.headers.cookie, this.#nameFor(req));
    for (const value of values.slice(0, MAX_TRIED)) {
      const found = this.#verify(value);
      if (found && (isExpiredToo || found.left > 0)) return found;
    }
    return undefined;
  }

  /** Sets the cookie for a request with a valid password. `left`: seconds until the request's own cookie expires; 0 without a cookie. */
  set(req: IncomingMessage, res: ServerResponse, user: string, left: number): void {
    // One cookie is enough for all fifty files of a page.
    if (left > MAX_AGE / 2) return;
    const expires = String(Math.floor(this.#now()) + MAX_AGE);
    const value = `${expires}.${Buffer.from(user).toString('base64url')}.${this.#sign(expires, user)}`;
    const secure = isSecure(req) ? '; Secure' : '';
    res.appendHeader(
      'Set-Cookie',
      `${this.#nameFor(req)}=${value}; Max-Age=${MAX_AGE}; Path=/; HttpOnly; SameSite=Strict${secure}`,
    );
  }

  #nameFor(req: IncomingMessage): string {
    const { localPort } = req.socket;
    return `${isSecure(req) ? SECURE_PREFIX : PREFIX}${localPort ?? this.#socketName}`;
  }

  #verify(value: string): CookieLogin | undefined {
    const [, expires = '', encoded = '', given = ''] =
      /^(\d{1,12})\.([\w-]*)\.([\w-]{43})$/.exec(value) ?? [];
    const user = Buffer.from(encoded, 'base64url').toString();
    const isRight = timingSafeEqual(digestOf(given), digestOf(this.#sign(expires, user)));
    const left = Number(expires) - this.#now();
    return isRight && this.#accounts.markOf(user) !== undefined ? { user, left } : undefined;
  }

  #sign(expires: string, user: string): string {
    const text = JSON.stringify([expires, user, this.#accounts.markOf(user) ?? '']);
    return createHmac('sha256', this.#key).update(text).digest('base64url');
  }
}

/** The values of all cookies with the name. Our values need no decoding. */
function valuesOf(header: string | undefined, name: string): string[] {
  return (header ?? '').split(';').flatMap((pair) => {
    const [key = '', ...value] = pair.split('=');
    return key.trim() === name ? [value.join('=').trim()] : [];
  });
}

/** A digest, for a comparison of equal lengths. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

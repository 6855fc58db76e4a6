import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isSecure } from '../../../request/trust.js';
import type { Accounts } from './accounts.js';

/** Seconds: a working day. Each page that is loaded with the password begins a new one. */
const MAX_AGE = 12 * 3600;

/** Cookies of our name that are looked at: a page of another port or path of the host may have set some. */
const MAX_TRIED = 16;

/** Of one machine all ports share their cookies. Without TLS the prefix would keep the cookie from being stored. */
const PREFIX = 'wstunnel-';
const SECURE_PREFIX = `__Host-${PREFIX}`;

/** A login that a cookie proves. */
interface CookieLogin {
  readonly user: string;
  /** Seconds that it is still good for. */
  readonly left: number;
}

/**
 * The cookie that the page's login sets, for the tunnel: WebKit sends no Basic credentials on a WebSocket
 * (https://bugs.webkit.org/show_bug.cgi?id=80362). It is signed with the key of the process and the name's present password:
 * it outlives SIGHUP, and ends with the process, and with a change of the password or the removal of the name.
 */
export class LoginCookie {
  readonly #key: Buffer;
  readonly #accounts: Pick<Accounts, 'markOf'>;
  readonly #socketName: string;
  readonly #now: () => number;

  /** `socketPath` stands for the port on a unix socket. */
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

  read(req: IncomingMessage): CookieLogin | undefined {
    const values = valuesOf(req.headers.cookie, this.#nameFor(req));
    for (const value of values.slice(0, MAX_TRIED)) {
      const found = this.#verify(value);
      if (found) return found;
    }
    return undefined;
  }

  /** For a request whose password was right. `left` is what its present cookie is still good for, in seconds. */
  set(req: IncomingMessage, res: ServerResponse, user: string, left: number): void {
    // A page of fifty files needs one.
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
    return isRight && left > 0 && this.#accounts.markOf(user) !== undefined ? { user, left } : undefined;
  }

  #sign(expires: string, user: string): string {
    const text = JSON.stringify([expires, user, this.#accounts.markOf(user) ?? '']);
    return createHmac('sha256', this.#key).update(text).digest('base64url');
  }
}

/** The values of all cookies of this name. Ours need no decoding. */
function valuesOf(header: string | undefined, name: string): string[] {
  return (header ?? '').split(';').flatMap((pair) => {
    const [key = '', ...value] = pair.split('=');
    return key.trim() === name ? [value.join('=').trim()] : [];
  });
}

/** Of one length. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

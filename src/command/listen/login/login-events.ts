import { onOneLine, cut } from '../../../helpers/one-line.js';
import type { LoginVerdict } from './accounts.js';
import { MAX_FIELD_LENGTH } from '../log/tunnel-events.js';
import { RepeatLimiter, type Repeats } from '../log/repeats.js';

/** A refused login, without its password. */
interface LoginFailure {
  /** The client's address; empty on a unix socket. */
  readonly address: string;
  readonly status: number;
  /** The cause: `wrong`, `slowed`, `busy`, `failed`. */
  readonly code: string;
  /** The user name, if the name has a login here: an unknown name may be a password typed into the wrong field. */
  readonly user?: string;
}

/** The outputs for failed logins. */
interface LoginOutputs {
  readonly print: (line: string) => void;
  readonly write: (event: string, info: object) => void;
}

export const LOGIN_CODES: Readonly<Record<Exclude<LoginVerdict, 'yes' | 'gone'>, string>> = {
  no: 'wrong',
  slowed: 'slowed',
  busy: 'busy',
  failed: 'failed',
};

const REASONS: Readonly<Record<string, string>> = {
  wrong: 'wrong name or password',
  slowed: 'not checked: too many wrong logins from this address',
  busy: 'not checked: too many logins at once',
  failed: 'the password could not be checked',
};

/**
 * Writes failed logins as lines for people and as JSON for programs such as fail2ban. The address comes before any text that the
 * client has chosen. As for refusals, the first ten failures of an address in a minute are written, further failures are counted.
 */
export class LoginEvents {
  readonly #outlets: LoginOutputs;
  /** Wrong logins have a limiter of their own, so that cheap requests beyond the queue's limits can't keep wrong logins out of the log. */
  readonly #wrong = new RepeatLimiter((folded) => this.#reportRepeats(folded));
  readonly #unchecked = new RepeatLimiter((folded) => this.#reportRepeats(folded));

  constructor(outlets: LoginOutputs) {
    this.#outlets = outlets;
  }

  note({ address, status, code, user }: LoginFailure): void {
    const isUnchecked = code === LOGIN_CODES.busy || code === LOGIN_CODES.failed;
    const folding = isUnchecked ? this.#unchecked : this.#wrong;
    if (!folding.passes({ address, status, code })) return;
    const name = user === undefined ? undefined : cut(user, MAX_FIELD_LENGTH.user ?? 0);
    const shown = name === undefined ? '' : ` (${name})`;
    this.#outlets.write('login', { address, status, code, ...(name !== undefined && { user: name }) });
    this.#outlets.print(
      String(onOneLine(`login   ${address || 'a local client'}: ${status} ${REASONS[code] ?? code}${shown}`)),
    );
  }

  /** Writes the counts of the current period. */
  end(): void {
    this.#wrong.end();
    this.#unchecked.end();
  }

  #reportRepeats(folded: Repeats): void {
    const { address, count, seconds, status, code } = folded;
    this.#outlets.write('logins', folded);
    this.#outlets.print(`login   ${address}: ${count} more in ${seconds} s, the last one ${status} ${code}`);
  }
}

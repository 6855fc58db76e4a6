import { createHmac, randomBytes } from 'node:crypto';
import { TunnelError } from '../errors.js';
import type { BackendLogin } from './connection.js';
import { isLoginRejection } from './refusals.js';

/** Seconds after the first rejection. Each further rejection doubles the pause, up to the longest. */
const FIRST = 10;
const LONGEST = 60;

/** Seconds after the end of a pause in which a further rejection makes the next pause longer. */
const MEMORY = 600;

/** Most logins with a pause. Above this number, the login with the oldest rejection is forgotten. */
const MOST = 1000;

interface Pause {
  readonly seconds: number;
  /** By `now`, in milliseconds. */
  readonly end: number;
}

/**
 * Keeps rejected logins away from their VNC server for a growing pause. Servers count failures and then block all clients of an
 * address, which is the address of this process: TigerVNC after five failures. Without a pause, pages that connect again and again
 * with a wrong password would lock out every other user.
 *
 * A login is the host with the user name and the password: after a change of the password, the next login is tried at once.
 */
export class LoginPauses {
  readonly #now: () => number;
  /** Makes guesses of a password from the hashes in a memory dump harder. */
  readonly #salt = randomBytes(32);
  /** In the order of the rejections. */
  readonly #pauses = new Map<string, Pause>();
  /** Logins whose pause is over, and that are tried now. */
  readonly #trials = new Set<string>();

  /** `now`: a clock in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Number of logins with a pause. */
  get size(): number {
    return this.#pauses.size;
  }

  /**
   * Runs `login`, which connects to the host and logs in. Throws WSTUNNEL_VNC_REFUSED with Retry-After instead, if the same login was
   * rejected and the pause is not over, or the first login after the pause is still running.
   */
  async run<T>(hostId: string, login: BackendLogin, attempt: () => Promise<T>): Promise<T> {
    const key = this.#keyOf(hostId, login);
    const pause = this.#pauses.get(key);
    const left = pause === undefined ? 0 : (pause.end - this.#now()) / 1000;
    if (left > 0) throw refusal(left);
    if (this.#trials.has(key)) throw refusal(1);
    if (pause) this.#trials.add(key);
    try {
      const result = await attempt();
      this.#pauses.delete(key);
      return result;
    } catch (error) {
      if (isLoginRejection(error)) this.#lengthen(key);
      throw error;
    } finally {
      if (pause) this.#trials.delete(key);
    }
  }

  #lengthen(key: string): void {
    const now = this.#now();
    const last = this.#pauses.get(key);
    // Logins that ran at the same time and were rejected together count once.
    if (last && last.end > now) return;
    const isRecent = last !== undefined && last.end + MEMORY * 1000 > now;
    const seconds = isRecent ? Math.min(LONGEST, last.seconds * 2) : FIRST;
    this.#pauses.delete(key);
    this.#pauses.set(key, { seconds, end: now + seconds * 1000 });
    if (this.#pauses.size <= MOST) return;
    const [oldest] = this.#pauses.keys();
    if (oldest !== undefined) this.#pauses.delete(oldest);
  }

  #keyOf(hostId: string, { username, password }: BackendLogin): string {
    const text = JSON.stringify([hostId, username, Buffer.from(password).toString('latin1')]);
    return createHmac('sha256', this.#salt).update(text).digest('base64');
  }
}

function refusal(seconds: number): TunnelError {
  return new TunnelError('WSTUNNEL_VNC_REFUSED', 'the VNC server rejected the login a short time ago', {
    headers: { 'Retry-After': String(Math.ceil(seconds)) },
  });
}

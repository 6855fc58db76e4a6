import { createHmac, randomBytes } from 'node:crypto';
import { WrongLogins, WRONG_LOGINS, type WrongLoginSettings } from './wrong-logins.js';
import { LoginQueue, QUEUE, type QueueSettings } from './login-queue.js';
import { TunnelLogins } from './tunnel-logins.js';

/** The state of logins, which outlives a reload: wrong logins are remembered across SIGHUP. */
export class LoginMemory {
  readonly guesses: WrongLogins;
  readonly queue: LoginQueue;
  /** The key that signs cookies; all workers of a command have the same key. */
  readonly cookieKey: Buffer;
  readonly tunnelLogins = new TunnelLogins();
  readonly #digestKey = randomBytes(32);

  constructor({
    guesses = WRONG_LOGINS,
    queue = QUEUE,
    cookieKey = randomBytes(32),
  }: { guesses?: WrongLoginSettings; queue?: QueueSettings; cookieKey?: Buffer } = {}) {
    this.guesses = new WrongLogins(guesses);
    this.cookieKey = cookieKey;
    this.queue = new LoginQueue(this.guesses, queue);
  }

  /** A digest that is worthless outside of this process. */
  digestOf(password: string): Buffer {
    return createHmac('sha256', this.#digestKey).update(password).digest();
  }
}

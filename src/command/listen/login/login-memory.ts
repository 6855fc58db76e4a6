import { randomBytes } from 'node:crypto';
import { WrongLogins, WRONG_LOGINS, type WrongLoginSettings } from './wrong-logins.js';
import { LoginQueue, QUEUE, type QueueSettings } from './login-queue.js';

/** The state of logins, which outlives a reload: wrong logins are remembered across SIGHUP. */
export class LoginMemory {
  readonly guesses: WrongLogins;
  readonly queue: LoginQueue;
  /** The key that signs cookies; all workers of a command have the same key. */
  readonly cookieKey: Buffer;

  constructor({
    guesses = WRONG_LOGINS,
    queue = QUEUE,
    cookieKey = randomBytes(32),
  }: { guesses?: WrongLoginSettings; queue?: QueueSettings; cookieKey?: Buffer } = {}) {
    this.guesses = new WrongLogins(guesses);
    this.cookieKey = cookieKey;
    this.queue = new LoginQueue(this.guesses, queue);
  }
}

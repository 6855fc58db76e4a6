import { randomBytes } from 'node:crypto';
import { WrongLogins, WRONG_LOGINS, type WrongLoginSettings } from './wrong-logins.js';
import { LoginQueue, QUEUE, type QueueSettings } from './login-queue.js';

/** What is known of logins from the start of the process to its end: new settings (SIGHUP) forget no wrong login. */
export class LoginMemory {
  readonly guesses: WrongLogins;
  readonly queue: LoginQueue;
  /** By which cookies are signed. */
  readonly cookieKey = randomBytes(32);

  constructor({
    guesses = WRONG_LOGINS,
    queue = QUEUE,
  }: { guesses?: WrongLoginSettings; queue?: QueueSettings } = {}) {
    this.guesses = new WrongLogins(guesses);
    this.queue = new LoginQueue(this.guesses, queue);
  }
}

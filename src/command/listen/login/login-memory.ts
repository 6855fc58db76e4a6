import { randomBytes } from 'node:crypto';
import { Guesses, GUESSES, type GuessSettings } from './wrong-logins.js';
import { LoginQueue, QUEUE, type QueueSettings } from './login-queue.js';

/** What is known of logins from the start of the process to its end: new settings (SIGHUP) forget no wrong login. */
export class LoginMemory {
  readonly guesses: Guesses;
  readonly queue: LoginQueue;
  /** By which cookies are signed. */
  readonly cookieKey = randomBytes(32);

  constructor({ guesses = GUESSES, queue = QUEUE }: { guesses?: GuessSettings; queue?: QueueSettings } = {}) {
    this.guesses = new Guesses(guesses);
    this.queue = new LoginQueue(this.guesses, queue);
  }
}

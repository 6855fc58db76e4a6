/** When the command exits without a signal, as in websockify. Times in seconds; 0 or undefined means never. */
export interface AutoExitOptions {
  /** Exit after this time since the start, once no tunnel is open. */
  readonly timeout?: number;
  /** Exit after this time without an open tunnel. */
  readonly idleTimeout?: number;
  /** Exit when the first tunnel ends. */
  readonly runOnce: boolean;
}

/** Ends the command as the options say. The caller reports each tunnel with {@link opened} and {@link closed}. */
export class AutoExit {
  readonly #options: AutoExitOptions;
  /** Called once; `why` is a message for the user. */
  readonly #end: (why: string) => void;
  #open = 0;
  #isOver = false;
  #isLate = false;
  #timers: { timeout?: NodeJS.Timeout; idle?: NodeJS.Timeout } = {};

  constructor(options: AutoExitOptions, end: (why: string) => void) {
    this.#options = options;
    this.#end = end;
  }

  /** Starts the timers. */
  start(): void {
    const { timeout = 0 } = this.#options;
    if (timeout > 0)
      this.#timers.timeout = setTimeout(() => {
        this.#isLate = true;
        if (this.#open === 0) this.#finish(`${timeout} s have passed (--timeout)`);
      }, timeout * 1000);
    this.#beginIdle();
  }

  opened(): void {
    this.#open++;
    clearTimeout(this.#timers.idle);
  }

  closed(): void {
    this.#open--;
    if (this.#options.runOnce) this.#finish('the tunnel has ended (--run-once)');
    else if (this.#open === 0 && this.#isLate)
      this.#finish(`${this.#options.timeout ?? 0} s have passed (--timeout)`);
    else if (this.#open === 0) this.#beginIdle();
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timers.timeout);
    clearTimeout(this.#timers.idle);
  }

  #beginIdle(): void {
    const { idleTimeout = 0 } = this.#options;
    if (idleTimeout > 0 && !this.#isOver)
      this.#timers.idle = setTimeout(
        () => this.#finish(`no tunnel was open for ${idleTimeout} s (--idle-timeout)`),
        idleTimeout * 1000,
      );
  }

  #finish(why: string): void {
    if (this.#isOver) return;
    this.stop();
    this.#end(why);
  }
}

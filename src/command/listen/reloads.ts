interface ReloadsOptions {
  readonly reload: () => Promise<void>;
  readonly isEnding: () => boolean;
  readonly message: (line: string) => void;
}

/**
 * The reloads at SIGHUP, which run one after another, after the start. One request at most is queued: a reload reads the newest files,
 * so that a single one answers any number of signals.
 */
export class Reloads {
  readonly #options: ReloadsOptions;
  #last: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isQueued = false;

  constructor(options: ReloadsOptions) {
    this.#options = options;
  }

  /** The first reload begins when `started` settles. */
  runAfter(started: Promise<unknown>): void {
    this.#last = started.then(
      () => undefined,
      () => undefined,
    );
  }

  request(): void {
    const { isEnding, message } = this.#options;
    if (isEnding()) message(NOT_RELOADED);
    if (isEnding() || this.#isQueued) return;
    if (this.#isRunning) message('SIGHUP: another reload follows this one');
    this.#isQueued = true;
    this.#last = this.#last.then(() => this.#run());
  }

  async #run(): Promise<void> {
    const { reload, isEnding, message } = this.#options;
    this.#isQueued = false;
    if (isEnding()) {
      message(NOT_RELOADED);
      return;
    }
    this.#isRunning = true;
    try {
      await reload();
    } finally {
      this.#isRunning = false;
    }
  }
}

export const NOT_RELOADED = 'SIGHUP: not reloaded, since the command is ending';

import { messageOf } from '../../../errors.js';
import { deferred } from '../../../helpers/deferred.js';
import { within } from '../../../helpers/within.js';
import type { DrainTimes } from '../../drain.js';
import { EXIT, SIGNALLED } from '../../exit.js';
import type { Signal } from '../../process/io.js';
import type { Servers } from '../server/servers.js';
import type { Sites } from '../site/sites.js';
import { cutLine, drainLine, hurryLine } from './drain-lines.js';
import { EndSteps } from './end-steps.js';
import { Shutdown } from './shutdown.js';

/** Seconds for the `close` events of the tunnels that the last signal cuts. */
const CUT_TIME = 0.5;

interface ProcessEndParts {
  readonly times: DrainTimes;
  readonly sites: Sites;
  /** Undefined before the start. */
  readonly servers: () => Servers | undefined;
  /** Prints a message. */
  readonly message: (line: string) => void;
  /** Prints the number of tunnels at each signal. A worker leaves this to its supervisor. */
  readonly announce: (line: string) => void;
  readonly isOnTerminal: boolean;
}

/** The end of a serving process: by signals, by the supervisor of a worker, or by itself. */
export class ProcessEnd {
  readonly #parts: ProcessEndParts;
  readonly #steps: EndSteps;
  readonly #ended = deferred<number>();
  #started: Promise<unknown> = Promise.resolve();
  #isDraining = false;
  #isHurried = false;
  #shutdown: Shutdown | undefined;
  #exitCode: number = EXIT.ok;

  constructor(parts: ProcessEndParts) {
    this.#parts = parts;
    this.#steps = new EndSteps(parts.times, {
      drain: () => this.drain(),
      hurry: () => this.hurry(),
      cut: (signal) => this.cut(SIGNALLED[signal]),
    });
  }

  /** Resolves to the exit code. */
  get exitCode(): Promise<number> {
    return this.#ended.promise;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get times(): DrainTimes {
    return this.#parts.times;
  }

  /** A drain begins after the start, so that no spawned program survives the command. */
  runAfter(started: Promise<unknown>): void {
    this.#started = started.catch(() => undefined);
  }

  signal(signal: Signal): void {
    this.#steps.signal(signal);
  }

  /** Ends the tunnels, then the process. From this call on, /readyz answers 503. */
  drain(times: DrainTimes = this.times): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#steps.begun();
    this.#drain(times).then(
      () => this.#ended.resolve(this.#exitCode),
      (error: unknown) => this.#fail(error),
    );
  }

  /** Sends every Close now, and closes the ports. */
  hurry(): void {
    if (this.#isHurried) return;
    this.#isHurried = true;
    const { announce, isOnTerminal } = this.#parts;
    announce(hurryLine(this.#open, this.times, isOnTerminal));
    this.#shutdown?.hurry();
  }

  /** Destroys every connection, and ends the process. */
  cut(exitCode: number): void {
    this.#isDraining = true;
    this.#exitCode = exitCode;
    this.#parts.announce(cutLine(this.#open));
    within(CUT_TIME, this.#parts.sites.close({ timeout: 0 })).then(
      () => this.#ended.resolve(exitCode),
      (error: unknown) => this.#fail(error),
    );
  }

  /** Ends `linger`. */
  closePorts(): void {
    this.#shutdown?.closePorts();
  }

  get #open(): number {
    return this.#parts.sites.totals().open;
  }

  async #drain(given: DrainTimes): Promise<void> {
    const { sites, servers, message, announce, isOnTerminal } = this.#parts;
    await within(given.drain, this.#started);
    const times = this.#isHurried ? { ...given, grace: 0, spread: 0, linger: 0 } : given;
    const line = drainLine(this.#open, times, isOnTerminal);
    if (line !== undefined) announce(line);
    this.#shutdown = new Shutdown({ times, sites, servers: servers(), message });
    await this.#shutdown.run();
  }

  #fail(error: unknown): void {
    this.#parts.message(`the tunnels could not be closed cleanly: ${messageOf(error)}`);
    this.#ended.resolve(EXIT.failed);
  }
}

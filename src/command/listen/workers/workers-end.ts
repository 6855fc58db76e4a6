import { messageOf } from '../../../errors.js';
import { deferred } from '../../../helpers/deferred.js';
import { within } from '../../../helpers/within.js';
import { softTime, type DrainTimes } from '../../drain.js';
import { EXIT, SIGNALLED } from '../../exit.js';
import type { Signal } from '../../process/io.js';
import { cutLine, drainLine, hurryLine } from '../shutdown/drain-lines.js';
import { EndSteps } from '../shutdown/end-steps.js';
import { CLEANUP_TIME } from '../shutdown/shutdown.js';
import type { WorkerSlot } from './worker-slot.js';

/** Extra time for workers that end themselves, in seconds. */
const EXIT_TIME = 0.5;
/** Seconds for the workers to report their open tunnels. */
const COUNT_TIME = 1;

interface WorkersEndParts {
  readonly times: DrainTimes;
  readonly slots: () => readonly WorkerSlot[];
  /** Closes the supervisor's sockets. Otherwise the kernel would go on accepting connections. */
  readonly closeSockets: () => void;
  readonly message: (line: string) => void;
  readonly isOnTerminal: boolean;
}

/** The end of all workers, by the signals of the supervisor. The supervisor keeps the time of `linger`, each worker the other times. */
export class WorkersEnd {
  readonly #parts: WorkersEndParts;
  readonly #steps: EndSteps;
  readonly #ended = deferred<number>();
  readonly #hurried = deferred();
  #started: Promise<unknown> = Promise.resolve();
  #linger: NodeJS.Timeout | undefined;
  #isDraining = false;
  #exitCode: number = EXIT.ok;

  constructor(parts: WorkersEndParts) {
    this.#parts = parts;
    const { times } = parts;
    this.#steps = new EndSteps(times, {
      drain: () => this.#begin(),
      hurry: () => this.#hurry(),
      cut: (signal) => this.#cut(signal),
    });
  }

  /** Resolves to the exit code. */
  get exitCode(): Promise<number> {
    return this.#ended.promise;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** A drain begins after the start, when there are workers. */
  runAfter(started: Promise<unknown>): void {
    this.#started = started.catch(() => undefined);
  }

  signal(signal: Signal): void {
    this.#steps.signal(signal);
  }

  /** Ends the command without a signal. */
  end(exitCode: number): void {
    this.#ended.resolve(exitCode);
  }

  #begin(): void {
    this.#isDraining = true;
    this.#drain().then(
      () => this.#ended.resolve(this.#exitCode),
      (error: unknown) => {
        this.#parts.message(`the workers could not be ended cleanly: ${messageOf(error)}`);
        this.#ended.resolve(EXIT.failed);
      },
    );
  }

  async #drain(): Promise<void> {
    const { times, slots } = this.#parts;
    const { linger, drain } = times;
    await within(drain, this.#started);
    if (linger > 0) this.#linger = setTimeout(() => this.#closePorts(), linger * 1000);
    else this.#parts.closeSockets();
    const counted = slots().map((slot) => slot.drain(times));
    void within(COUNT_TIME, Promise.all(counted)).then(() => this.#announce());
    await within(softTime(times), Promise.race([this.#allEnded(), this.#hurried.promise]));
    await within(drain + CLEANUP_TIME + EXIT_TIME, this.#allEnded());
    clearTimeout(this.#linger);
  }

  #hurry(): void {
    const { times, slots, message, isOnTerminal } = this.#parts;
    message(hurryLine(this.#open, times, isOnTerminal));
    this.#closePorts();
    for (const slot of slots()) slot.tell('hurry');
    this.#hurried.resolve();
  }

  #cut(signal: Signal): void {
    this.#exitCode = SIGNALLED[signal];
    this.#parts.message(cutLine(this.#open));
    this.#closePorts();
    for (const slot of this.#parts.slots()) slot.tell('cut');
    void within(CLEANUP_TIME, this.#allEnded()).then(() => this.#ended.resolve(this.#exitCode));
  }

  /** First the sockets of the supervisor: a connection that no process accepts would wait until the end. */
  #closePorts(): void {
    clearTimeout(this.#linger);
    this.#parts.closeSockets();
    for (const slot of this.#parts.slots()) slot.tell('close-ports');
  }

  #announce(): void {
    const { times, message, isOnTerminal } = this.#parts;
    const line = drainLine(this.#open, times, isOnTerminal);
    if (line !== undefined) message(line);
  }

  get #open(): number {
    return this.#parts.slots().reduce((sum, { totals }) => sum + totals.open, 0);
  }

  async #allEnded(): Promise<void> {
    await Promise.all(this.#parts.slots().map((slot) => slot.ended()));
  }
}

import type { TunnelTotals } from '../../output/status-line.js';
import type { Io } from '../../process/io.js';
import type { Plan } from '../plan.js';
import { CommandOutput, type LineKind, type Verbosity } from './command-output.js';
import { EventLog } from './event-log.js';

/** Where the lines and events of a process go: to stderr, syslog and the log, or from a worker to its supervisor. */
export interface Outlets {
  /** A message of the command itself: always printed. */
  message(text: string): void;
  /** A line about a tunnel or a login. */
  line(text: string, kind: LineKind, verbosity: Verbosity): void;
  verbosity(isVerbose: boolean): Verbosity;
  /** Writes an event to the log. */
  write(event: string, info: object): void;
  /** Opens syslog and the log. @throws {CommandError} */
  open(plan: Pick<Plan, 'syslog' | 'log'>): Promise<void>;
  /** Opens the log's path again. @throws {CommandError} */
  reopen(): Promise<void>;
  beginStatus(): void;
  close(): Promise<void>;
}

/** The outlets of the command's first process. */
export class CommandOutlets implements Outlets {
  readonly #output: CommandOutput;
  #log: EventLog | undefined;

  /** `totals` are shown in the status line. */
  constructor(io: Io, totals: () => TunnelTotals) {
    this.#output = new CommandOutput(io, totals);
  }

  message(text: string): void {
    this.#output.message(text);
  }

  line(text: string, kind: LineKind, verbosity: Verbosity): void {
    this.#output.event(text, kind, verbosity);
  }

  verbosity(isVerbose: boolean): Verbosity {
    return this.#output.verbosity(isVerbose);
  }

  write(event: string, info: object): void {
    this.#log?.write(event, info);
  }

  async open({ syslog, log }: Pick<Plan, 'syslog' | 'log'>): Promise<void> {
    if (syslog) await this.#output.openSyslog(syslog);
    this.#log = await EventLog.open(log, this.#output.stdout(), (line) => this.#output.message(line));
  }

  async reopen(): Promise<void> {
    await this.#log?.reopen();
  }

  beginStatus(): void {
    this.#output.beginStatus();
  }

  async close(): Promise<void> {
    this.#output.endStatus();
    await this.#log?.close();
    await this.#output.closeSyslog();
  }
}

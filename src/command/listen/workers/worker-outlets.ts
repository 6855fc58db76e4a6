import type { Outlets } from '../log/command-outlets.js';
import type { LineKind, Verbosity } from '../log/command-output.js';
import type { SupervisorChannel } from './supervisor-channel.js';
import type { WorkerStart } from './worker-messages.js';

/** Sends lines and events to the supervisor: one process draws on the terminal, and follows a renamed log. */
export class WorkerOutlets implements Outlets {
  readonly #channel: SupervisorChannel;
  readonly #start: Pick<WorkerStart, 'isOnTerminal' | 'hasSyslog' | 'hasLog'>;

  constructor(channel: SupervisorChannel, start: Pick<WorkerStart, 'isOnTerminal' | 'hasSyslog' | 'hasLog'>) {
    this.#channel = channel;
    this.#start = start;
  }

  message(text: string): void {
    this.#channel.sendOrDrop({ kind: 'message', text });
  }

  line(text: string, about: LineKind, verbosity: Verbosity): void {
    const isShown = verbosity === 'all' || (verbosity === 'failures' && about === 'failure');
    if (isShown || this.#start.hasSyslog) this.#channel.sendOrDrop({ kind: 'line', text, about, verbosity });
  }

  verbosity(isVerbose: boolean): Verbosity {
    if (isVerbose) return 'all';
    return this.#start.isOnTerminal ? 'failures' : 'none';
  }

  write(event: string, info: object): void {
    if (this.#start.hasLog) this.#channel.sendOrDrop({ kind: 'event', event, info });
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  reopen(): Promise<void> {
    return Promise.resolve();
  }

  beginStatus(): void {
    // The supervisor has the status line.
  }

  close(): Promise<void> {
    return this.#channel.flush();
  }
}

import type { Writable } from 'node:stream';
import { StatusLine, type TunnelTotals } from '../../output/status-line.js';
import { messageLine, type Io } from '../../process/io.js';

import { Syslog, type SyslogOptions } from './syslog.js';

/** Which lines about tunnels and logins are printed. */
export type Verbosity = 'all' | 'failures' | 'none';

export type LineKind = 'tunnel' | 'failure';

/** The command's output: stderr with its status line, and syslog, which gets every line. */
export class CommandOutput {
  readonly #io: Io;
  readonly #status: StatusLine;
  #syslog: Syslog | undefined;

  /** `totals` are shown in the status line. */
  constructor(io: Io, totals: () => TunnelTotals) {
    this.#io = io;
    this.#status = new StatusLine(io, totals);
  }

  /** @throws {CommandError} where `logger` can't be started. */
  async openSyslog(options: SyslogOptions): Promise<void> {
    this.#syslog = await Syslog.open(options, (line) => this.#status.print(messageLine(line)));
  }

  beginStatus(): void {
    this.#status.begin();
  }

  endStatus(): void {
    this.#status.end();
  }

  async closeSyslog(): Promise<void> {
    await this.#syslog?.close();
  }

  /** A message of the command itself: always printed. */
  message(text: string): void {
    const line = messageLine(text);
    this.#status.print(line);
    this.#syslog?.write(line);
  }

  /** A line about a tunnel or a login: printed as `verbosity` says. */
  event(line: string, kind: LineKind, verbosity: Verbosity): void {
    if (verbosity === 'all' || (verbosity === 'failures' && kind === 'failure')) this.#status.print(line);
    this.#syslog?.write(line);
  }

  verbosity(isVerbose: boolean): Verbosity {
    if (isVerbose) return 'all';
    return this.#io.stderr.isTTY === true ? 'failures' : 'none';
  }

  /** Standard output. On a terminal, the status line is erased around each write, since stderr is usually the same terminal. */
  stdout(): Pick<Writable, 'writableLength'> & { write(text: string): boolean } {
    const { stdout } = this.#io;
    if (stdout.isTTY !== true) return stdout;
    return {
      get writableLength() {
        return stdout.writableLength;
      },
      write: (text: string) => this.#status.beside(() => stdout.write(text)),
    };
  }
}

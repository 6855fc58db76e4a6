import type { Writable } from 'node:stream';
import { onOneLine } from '../../../helpers/one-line.js';
import { CommandError, EXIT } from '../../exit.js';
import { reasonOf } from '../../files.js';
import { LineFile } from './line-file.js';

/** Bytes queued for standard output, beyond which lines are dropped, so that a stalled reader can't fill the process's memory. */
const MAX_QUEUED = 1024 * 1024;

/** Standard output, or a stream in front of it. */
type LineOutput = Pick<Writable, 'writableLength'> & { write(text: string): boolean };

/** The log of `--log`: JSON lines, appended to a file or written to standard output. */
export class EventLog {
  readonly #path: string | undefined;
  readonly #stdout: LineOutput;
  readonly #file: LineFile | undefined;
  #lost = 0;

  private constructor(path: string | undefined, stdout: LineOutput, warn: (line: string) => void) {
    this.#path = path;
    this.#stdout = stdout;
    if (path !== undefined && path !== '-') this.#file = new LineFile(path, { warn, gap: gapLine });
  }

  /** @throws {CommandError} for a file that can't be opened. */
  static async open(
    path: string | undefined,
    stdout: LineOutput,
    warn: (line: string) => void,
  ): Promise<EventLog> {
    const log = new EventLog(path, stdout, warn);
    await log.reopen();
    return log;
  }

  /** Opens the path again: logrotate may have renamed the old file. @throws {CommandError} */
  async reopen(): Promise<void> {
    try {
      await this.#file?.open();
    } catch (error) {
      throw new CommandError(EXIT.config, `${this.#path ?? ''}: ${reasonOf(error)}`, { cause: error });
    }
  }

  write(event: string, info: object): void {
    if (this.#file) this.#file.write(eventLine(event, info));
    else if (this.#path === '-') this.#print(eventLine(event, info));
  }

  /** Resolves when every line is written or has failed. */
  async close(): Promise<void> {
    await this.#file?.close();
  }

  #print(line: string): void {
    if (this.#stdout.writableLength > MAX_QUEUED) this.#lost++;
    else {
      const gap = this.#lost > 0 ? gapLine(this.#lost) : '';
      this.#lost = 0;
      this.#stdout.write(gap + line);
    }
  }
}

function eventLine(event: string, info: object): string {
  const text = JSON.stringify({ time: new Date().toISOString(), event, ...info });
  // JSON does not escape DEL, C1 controls and bidirectional marks.
  return `${String(onOneLine(text))}\n`;
}

function gapLine(lines: number): string {
  return eventLine('lost', { lines });
}

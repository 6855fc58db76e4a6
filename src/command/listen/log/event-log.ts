import type { Writable } from 'node:stream';
import { cut, onOneLine } from '../../../helpers/one-line.js';
import type { BackendInfo, ClosedInfo, RefuseInfo, Tunnel, TunnelInfo } from '../../../types.js';
import { CommandError, EXIT } from '../../exit.js';
import { reasonOf } from '../../files.js';
import type { Repeats, RepeatLimiter } from './repeats.js';
import { LineFile } from './line-file.js';
import { bytes } from '../../output/units.js';

/** What is told on stderr: everything, what went wrong, or nothing. */
export type Verbosity = 'all' | 'failures' | 'none';

/**
 * Most characters of each field; a longer one is cut, and ends with "…". Clients choose the URL, the reason of a Close and (before a
 * login) their name: the README gives these lengths, with which a line of JSON has at most 8 KiB.
 */
export const MAX_FIELD_LENGTH: Readonly<Record<string, number>> = {
  url: 512,
  user: 128,
  reason: 256,
  address: 64,
  backend: 256,
  id: 256,
  origin: 256,
};

/** Where events go. */
interface EventOutputs {
  /** A line for people; `kind` is whether something went wrong. */
  readonly print: (line: string, kind: 'tunnel' | 'failure') => void;
  readonly write: (event: string, info: object) => void;
  readonly folding: RepeatLimiter;
}

/** Follows a tunnel's events: lines for people, JSON for programs. */
export function logEvents(tunnel: Tunnel, { print, write, folding }: EventOutputs): void {
  const tell = (line: string, kind: 'tunnel' | 'failure') => print(String(onOneLine(line)), kind);
  tunnel.on('open', (given) => {
    const info = shortened(given);
    write('open', info);
    tell(opened(info), 'tunnel');
  });
  tunnel.on('close', (given) => {
    const info = shortened(given);
    write('close', info);
    tell(closed(info), 'tunnel');
  });
  tunnel.on('refuse', (given) => {
    if (!folding.passes(given)) return;
    const info = shortened(given);
    write('refuse', info);
    tell(refused(info), 'failure');
  });
  tunnel.on('backend', (given) => {
    const info = shortened(given);
    write('backend', info);
    tell(changed(info), 'failure');
  });
}

/** As one line for people. */
export function repeatsLine({ address, count, seconds, status, code }: Repeats): string {
  return `refuse  ${address}: ${count} more in ${seconds} s, the last one ${status} ${code}`;
}

function shortened<Info extends object>(info: Info): Info {
  const entries = Object.entries(info).map(([name, value]: [string, unknown]) => {
    const most = MAX_FIELD_LENGTH[name];
    return [name, typeof value === 'string' && most !== undefined ? cut(value, most) : value];
  });
  return Object.fromEntries(entries) as Info;
}

function who({ address, user }: { address: string; user?: string }): string {
  return `${user === undefined ? '' : `${user}@`}${address || 'a local client'}`;
}

function opened(info: TunnelInfo): string {
  return `open    ${who(info)} ${info.url} -> ${info.backend}`;
}

function closed(info: ClosedInfo): string {
  const why = `${info.code}${info.reason === '' ? '' : ` ${info.reason}`}`;
  const amount = `${bytes(info.bytesIn)} in, ${bytes(info.bytesOut)} out`;
  return `close   ${who(info)} ${info.url} -> ${info.backend}: ${why}; ${amount}, ${info.duration.toFixed(1)} s`;
}

function refused(info: RefuseInfo): string {
  return `refuse  ${who(info)} ${info.url}: ${info.status} ${info.reason}`;
}

function changed({ id, up, reason = '' }: BackendInfo): string {
  return `backend ${id} is ${up ? 'up' : `down: ${reason}`}`;
}

/** Standard output that takes nothing for so long loses lines, in place of the process's memory. In bytes. */
const MAX_QUEUED = 1024 * 1024;

/** Standard output, or what stands in front of it. */
type LineOutput = Pick<Writable, 'writableLength'> & { write(text: string): boolean };

/** Where `--log` writes, line by line at the end of the file. */
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

  static async open(
    path: string | undefined,
    stdout: LineOutput,
    warn: (line: string) => void,
  ): Promise<EventLog> {
    const log = new EventLog(path, stdout, warn);
    await log.reopen();
    return log;
  }

  /** Under its name, which may have been taken from the file (logrotate). */
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

  /** Resolves once all lines are written, or can't be. */
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
  // It leaves DEL, C1 and what turns the direction of text as they are.
  return `${String(onOneLine(text))}\n`;
}

function gapLine(lines: number): string {
  return eventLine('lost', { lines });
}

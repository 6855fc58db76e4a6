import { constants, createWriteStream, type WriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { onOneLine } from '../../helpers/one-line.js';
import type { BackendInfo, ClosedInfo, RefuseInfo, Tunnel, TunnelInfo } from '../../types.js';
import { CommandError, EXIT } from '../exit.js';
import { reasonOf } from '../files.js';
import { bytes } from './units.js';

/** What is told on stderr: everything, what went wrong, or nothing. */
export type Telling = 'all' | 'failures' | 'none';

/** Follows a tunnel's events: lines for people, JSON for programs. */
export function follow(
  tunnel: Tunnel,
  telling: Telling,
  print: (line: string) => void,
  write: (event: string, info: object) => void,
): void {
  const tell = (line: string) => print(String(onOneLine(line)));
  tunnel.on('open', (info) => {
    write('open', info);
    if (telling === 'all') tell(opened(info));
  });
  tunnel.on('close', (info) => {
    write('close', info);
    if (telling === 'all') tell(closed(info));
  });
  tunnel.on('refuse', (info) => {
    write('refuse', info);
    if (telling !== 'none') tell(refused(info));
  });
  tunnel.on('backend', (info) => {
    write('backend', info);
    if (telling !== 'none') tell(changed(info));
  });
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

/** A disk that takes nothing for so long loses lines, in place of the process's memory. In bytes. */
const MAX_WAITING = 1024 * 1024;

// A FIFO that nobody reads is an error at once: to wait for a reader would hold up every signal.
const LOG_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** Where `--log` writes, line by line at the end of the file. */
export class EventLog {
  readonly #path: string | undefined;
  readonly #stdout: Writable;
  readonly #warn: (line: string) => void;
  #file: WriteStream | undefined;

  private constructor(path: string | undefined, stdout: Writable, warn: (line: string) => void) {
    this.#path = path;
    this.#stdout = stdout;
    this.#warn = warn;
  }

  static async open(
    path: string | undefined,
    stdout: Writable,
    warn: (line: string) => void,
  ): Promise<EventLog> {
    const log = new EventLog(path, stdout, warn);
    await log.reopen();
    return log;
  }

  /** Under its name, which may have been taken from the file (logrotate). */
  async reopen(): Promise<void> {
    if (this.#path === undefined || this.#path === '-') return;
    try {
      const handle = await open(this.#path, LOG_FLAGS, 0o640);
      this.close();
      this.#file = createWriteStream(this.#path, { fd: handle, flags: 'a' });
      // A full disk must not end the tunnels; but who counts on the log has to know.
      this.#file.on('error', (error) =>
        this.#warn(`${this.#path}: ${reasonOf(error)}; events are lost until the next SIGHUP`),
      );
    } catch (error) {
      throw new CommandError(EXIT.config, `${this.#path}: ${reasonOf(error)}`, { cause: error });
    }
  }

  write(event: string, info: object): void {
    const target = this.#path === '-' ? this.#stdout : this.#file;
    if (!target || target.writableLength > MAX_WAITING) return;
    target.write(`${JSON.stringify({ time: new Date().toISOString(), event, ...info })}\n`);
  }

  close(): void {
    this.#file?.end();
    this.#file = undefined;
  }
}

import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { reasonOf } from '../../files.js';

/** Lines that wait for the disk; beyond it lines are lost, in place of the process's memory. In bytes. */
const MAX_QUEUED = 1024 * 1024;
/** Of one write, in bytes. */
const MAX_BATCH = 64 * 1024;
/** Pauses before the next attempt: the first, each twice the one before, and the longest. In ms. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
/** A pipe whose reader is slow is tried again so much later, in ms. */
const PIPE_PAUSE = 50;
/** How often the name is compared with the file that is written, in ms. */
const LOOK_PERIOD = 1000;
/** What `close` gives the lines that are queued, in ms. */
const CLOSE_WAIT = 1000;

// A FIFO that nobody reads is an error at once: to wait for a reader would hold up every signal.
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** The file system; a test gives its own. */
export interface FileSystem {
  open(path: string): Promise<Pick<FileHandle, 'write' | 'close' | 'stat'>>;
  /** Device and inode of what is under the name; undefined where nothing is. */
  idOf(path: string): Promise<string | undefined>;
}

interface LineFileOptions {
  /** Gets one line for each failure, and one where writing works again. */
  readonly warn: (line: string) => void;
  /** The line that says in the file itself how many lines are missing there. */
  readonly gap: (lines: number) => string;
  readonly files?: FileSystem;
}

/**
 * Appends lines to a file. What fails (a full disk, an I/O error, a pipe whose reader is gone) is tried again, with growing pauses, and
 * a file that was renamed or removed is replaced by a new one under the name. Lines that were lost meanwhile are counted in the file.
 */
export class LineFile {
  readonly #path: string;
  readonly #options: LineFileOptions;
  readonly #files: FileSystem;
  #handle: Awaited<ReturnType<FileSystem['open']>> | undefined;
  #id: string | undefined;
  #queue: Buffer[] = [];
  #queued = 0;
  /** Lines since the last one that was queued. */
  #lost = 0;
  #working: Promise<void> | undefined;
  #isTorn = false;
  #failure: string | undefined;
  #pause = FIRST_PAUSE;
  #lookedAt = performance.now();
  #isMissing = false;
  #isClosed = false;
  #lookTimer: NodeJS.Timeout | undefined;
  #wake: (() => void) | undefined;

  constructor(path: string, options: LineFileOptions) {
    this.#path = path;
    this.#options = options;
    this.#files = options.files ?? realFiles;
  }

  /** The file of this name, which may be another one by now (logrotate). Rejects where it can't be opened; the old one stays in use. */
  async open(): Promise<void> {
    const handle = await this.#files.open(this.#path);
    const old = this.#handle;
    this.#handle = handle;
    this.#isTorn = false;
    this.#isMissing = false;
    this.#id = await idOfHandle(handle);
    this.#wake?.();
    // Also while nothing is written: the next line belongs into the new file.
    if (!this.#isClosed) this.#lookTimer ??= setInterval(() => this.#lookIdle(), LOOK_PERIOD).unref();
    // The line that is being written ends there.
    if (old) void this.#settled().then(() => old.close().catch(() => undefined));
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#isClosed || this.#queued + bytes.length > MAX_QUEUED) {
      this.#lost++;
      return;
    }
    this.#countLost();
    this.#push(bytes);
    this.#work();
  }

  /** What is queued is written, within a second. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#lookTimer);
    this.#countLost();
    this.#work();
    this.#wake?.();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_WAIT)));
    await Promise.race([this.#working, late]);
    clearTimeout(timer);
    const { length } = this.#queue;
    if (length > 0) this.#options.warn(`${this.#path}: ${length} lines could not be written`);
    this.#queue = [];
    this.#wake?.();
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => undefined);
  }

  /** Where lines are missing, the file says how many. */
  #countLost(): void {
    if (this.#lost === 0) return;
    this.#push(Buffer.from(this.#options.gap(this.#lost)));
    this.#lost = 0;
  }

  #push(bytes: Buffer): void {
    this.#queue.push(bytes);
    this.#queued += bytes.length;
  }

  #work(): void {
    this.#working ??= this.#writeAll().finally(() => {
      this.#working = undefined;
      if (this.#queue.length > 0) this.#work();
    });
  }

  #lookIdle(): void {
    if (this.#working) return;
    this.#working = this.#look()
      // The next write says what is wrong.
      .catch(() => undefined)
      .finally(() => {
        this.#working = undefined;
        if (this.#queue.length > 0) this.#work();
      });
  }

  async #settled(): Promise<void> {
    await this.#working;
  }

  async #writeAll(): Promise<void> {
    while (this.#queue.length > 0) {
      try {
        await this.#look();
        await this.#writeBatch();
        this.#recovered();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') await this.#sleep(PIPE_PAUSE);
        else await this.#failed(error);
      }
    }
  }

  async #writeBatch(): Promise<void> {
    const handle = this.#handle;
    if (!handle) throw new Error('it is not open');
    const parts: Buffer[] = [];
    let size = 0;
    for (const part of this.#queue) {
      if (parts.length > 0 && size + part.length > MAX_BATCH) break;
      parts.push(part);
      size += part.length;
    }
    // A disk that was full has taken a part of a line.
    const start = this.#isTorn ? Buffer.from('\n') : Buffer.alloc(0);
    const bytes = Buffer.concat([start, ...parts]);
    for (let at = 0; at < bytes.length;) {
      try {
        at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten;
      } catch (error) {
        const isPipe = (error as NodeJS.ErrnoException).code === 'EAGAIN';
        if (isPipe && handle === this.#handle && !this.#isOver()) await this.#sleep(PIPE_PAUSE);
        else {
          this.#dropWritten(at - start.length);
          throw error;
        }
      }
    }
    this.#dropWritten(size);
    this.#isTorn = false;
  }

  #isOver(): boolean {
    return this.#isClosed && this.#queue.length === 0;
  }

  /** Whole lines that the file has taken; one that it has in part is written again. */
  #dropWritten(bytes: number): void {
    // Not even the newline after a torn line.
    if (bytes < 0) return;
    let left = bytes;
    for (let first = this.#queue[0]; first && first.length <= left; first = this.#queue[0]) {
      left -= first.length;
      this.#queued -= first.length;
      this.#queue.shift();
    }
    this.#isTorn = left > 0;
  }

  #recovered(): void {
    if (this.#failure !== undefined) this.#options.warn(`${this.#path}: events can be written again`);
    this.#failure = undefined;
    this.#pause = FIRST_PAUSE;
  }

  /** Waits, and opens the file anew: a pipe has another reader, a disk was mounted again. */
  async #failed(error: unknown): Promise<void> {
    const reason = reasonOf(error);
    if (reason !== this.#failure) this.#options.warn(`${this.#path}: ${reason}; retrying`);
    this.#failure = reason;
    await this.#sleep(this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    if (this.#isOver()) return;
    const isTorn = this.#isTorn;
    const id = this.#id;
    // The next write says what is still wrong.
    await this.#reopen().catch(() => undefined);
    this.#isTorn = isTorn && this.#id === id;
  }

  /** Was the file renamed or removed? Then its name gets a new one. */
  async #look(): Promise<void> {
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_PERIOD) return;
    this.#lookedAt = now;
    const id = await this.#files.idOf(this.#path).catch(() => this.#id);
    if (id === this.#id) return void (this.#isMissing = false);
    // Whoever renames it (logrotate) may be about to make the new one, and fails where there is one already.
    if (id === undefined && !this.#isMissing) return void (this.#isMissing = true);
    await this.#reopen();
  }

  async #reopen(): Promise<void> {
    const handle = await this.#files.open(this.#path);
    // Only now: `open` may have exchanged it meanwhile.
    const old = this.#handle;
    this.#handle = handle;
    this.#isMissing = false;
    this.#id = await idOfHandle(handle);
    await old?.close().catch(() => undefined);
  }

  async #sleep(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}

async function idOfHandle(handle: Pick<FileHandle, 'stat'>): Promise<string> {
  const { dev, ino } = await handle.stat();
  return `${dev}:${ino}`;
}

const realFiles: FileSystem = {
  open: (path) => open(path, FLAGS, 0o640),
  idOf: async (path) => {
    try {
      const { dev, ino } = await stat(path);
      return `${dev}:${ino}`;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
  },
};

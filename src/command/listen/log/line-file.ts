import { deferred } from '../../../helpers/deferred.js';
import { reasonOf } from '../../files.js';
import { idOfHandle, realFileSystem, type FileSystem } from './log-file-system.js';

/** Bytes queued for the disk, beyond which lines are dropped, so that a full disk can't fill the process's memory. */
const MAX_QUEUED = 1024 * 1024;
/** Most bytes of one write. */
const MAX_BATCH = 64 * 1024;
/** Pauses before the next attempt, in ms: the first pause, doubled for each further attempt, up to the longest pause. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
/** Pause before writing again to a pipe with a slow reader, in ms. */
const PIPE_PAUSE = 50;
/** Period of the check whether the path still leads to the open file, in ms. */
const LOOK_PERIOD = 1000;
/** Time for `close` to write the queued lines, in ms. */
const CLOSE_WAIT = 1000;

interface LineFileOptions {
  /** Gets a message for each new failure, and one when writing works again. */
  readonly warn: (line: string) => void;
  /** Makes the line that replaces lost lines in the file. */
  readonly gap: (lines: number) => string;
  readonly files?: FileSystem;
}

/**
 * Appends lines to a file. After a failure (a full disk, an I/O error, a pipe without a reader), writing is retried with growing
 * pauses. If the file was renamed or removed, a new file is opened at the path. A line in the file gives the number of lost lines.
 */
export class LineFile {
  readonly #path: string;
  readonly #options: LineFileOptions;
  readonly #files: FileSystem;
  #handle: Awaited<ReturnType<FileSystem['open']>> | undefined;
  #id: string | undefined;
  #queue: Buffer[] = [];
  #queued = 0;
  /** Lines dropped since the last queued line. */
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
    this.#files = options.files ?? realFileSystem;
  }

  /** Opens the path, which may lead to a new file (logrotate). Rejects if opening fails; the old file then stays in use. */
  async open(): Promise<void> {
    const handle = await this.#files.open(this.#path);
    const old = this.#handle;
    this.#handle = handle;
    this.#isTorn = false;
    this.#isMissing = false;
    this.#id = await idOfHandle(handle);
    this.#wake?.();
    // Checks the path even while nothing is written, so that the next line goes to the new file.
    if (!this.#isClosed) this.#lookTimer ??= setInterval(() => this.#lookIdle(), LOOK_PERIOD).unref();
    // A line that is being written ends in the old file.
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

  /** Writes the queued lines, for a second at most, and closes the file. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#lookTimer);
    this.#countLost();
    this.#work();
    this.#wake?.();
    const late = deferred();
    const timer = setTimeout(() => late.resolve(), CLOSE_WAIT);
    await Promise.race([this.#working, late.promise]);
    clearTimeout(timer);
    const { length } = this.#queue;
    if (length > 0) this.#options.warn(`${this.#path}: ${length} lines could not be written`);
    this.#queue = [];
    this.#wake?.();
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => undefined);
  }

  /** Queues a line with the number of lost lines. */
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
      // If the file is still unusable, the next write reports the failure.
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
    // A full disk may have accepted a part of a line: end the partial line first.
    const start = this.#isTorn ? Buffer.from('\n') : Buffer.alloc(0);
    const bytes = Buffer.concat([start, ...parts]);
    for (let at = 0; at < bytes.length;) {
      try {
        at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten;
      } catch (error) {
        const isPipe = (error as NodeJS.ErrnoException).code === 'EAGAIN';
        if (isPipe && handle === this.#handle && !this.#isDone()) await this.#sleep(PIPE_PAUSE);
        else {
          this.#dropWritten(at - start.length);
          throw error;
        }
      }
    }
    this.#dropWritten(size);
    this.#isTorn = false;
  }

  #isDone(): boolean {
    return this.#isClosed && this.#queue.length === 0;
  }

  /** Removes the written lines from the queue. A line that was written in part stays queued, to be written again. */
  #dropWritten(bytes: number): void {
    // Even the line end after the torn line was not written.
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

  /** Pauses, then opens the path again: a pipe may have a new reader, a disk may be mounted again. */
  async #failed(error: unknown): Promise<void> {
    const reason = reasonOf(error);
    if (reason !== this.#failure) this.#options.warn(`${this.#path}: ${reason}; retrying`);
    this.#failure = reason;
    await this.#sleep(this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    if (this.#isDone()) return;
    const isTorn = this.#isTorn;
    const id = this.#id;
    // If the failure persists, the next write reports it.
    await this.#reopen().catch(() => undefined);
    this.#isTorn = isTorn && this.#id === id;
  }

  /** Opens a new file at the path if the old one was renamed or removed. */
  async #look(): Promise<void> {
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_PERIOD) return;
    this.#lookedAt = now;
    const id = await this.#files.idOf(this.#path).catch(() => this.#id);
    if (id === this.#id) return void (this.#isMissing = false);
    // Wait for one more period: logrotate may be about to create the new file, and would fail if the file existed already.
    if (id === undefined && !this.#isMissing) return void (this.#isMissing = true);
    await this.#reopen();
  }

  async #reopen(): Promise<void> {
    const handle = await this.#files.open(this.#path);
    // Read after the await, since `open` may have replaced the handle in the meantime.
    const old = this.#handle;
    this.#handle = handle;
    this.#isMissing = false;
    this.#id = await idOfHandle(handle);
    await old?.close().catch(() => undefined);
  }

  async #sleep(milliseconds: number): Promise<void> {
    const woken = deferred();
    const timer = setTimeout(() => woken.resolve(), milliseconds).unref();
    this.#wake = () => woken.resolve();
    await woken.promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }
}

import { isRemoved, type NewFile } from './names.js';
import type { QueueTarget } from './disk-queue.js';

/** Milliseconds between two checks. */
const CHECK_EVERY = 5000;

/** Checks now and then that the file still exists. Otherwise the system accepts bytes for a removed file, which nobody can open. */
export class CheckedFile implements QueueTarget {
  readonly #created: NewFile;
  #checked = performance.now();

  constructor(created: NewFile) {
    this.#created = created;
  }

  async write(bytes: Buffer, at: number, length: number): Promise<{ readonly bytesWritten: number }> {
    return this.#created.file.write(bytes, at, length);
  }

  async writev(parts: Buffer[]): Promise<{ readonly bytesWritten: number }> {
    const now = performance.now();
    if (now - this.#checked >= CHECK_EVERY) {
      this.#checked = now;
      await this.check();
    }
    return this.#created.file.writev(parts);
  }

  /** Rejects for a file that was removed. */
  async check(): Promise<void> {
    if (await isRemoved(this.#created)) throw new Error('the file was removed');
  }
}

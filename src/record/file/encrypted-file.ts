import { Writable, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { writeAll, type QueueTarget } from './disk-queue.js';

/** Passes the bytes of a file through a stream of the app, such as a cipher. */
export class EncryptedFile implements QueueTarget {
  readonly #stream: Duplex;
  readonly #piped: Promise<void>;

  /** `onFailure` is also called if the stream fails between two writes. */
  constructor(stream: Duplex, file: QueueTarget, onFailure: (error: unknown) => void) {
    this.#stream = stream;
    this.#piped = pipeline(stream, new Target(file));
    this.#piped.catch(onFailure);
  }

  /** Resolves when the stream has accepted all parts: the caller then reuses the memory of the parts. */
  async writev(parts: Buffer[]): Promise<{ readonly bytesWritten: number }> {
    const sum = parts.reduce((size, { length }) => size + length, 0);
    for (const part of parts) await this.#accepted(part);
    return { bytesWritten: sum };
  }

  async write(bytes: Buffer, at: number, length: number): Promise<{ readonly bytesWritten: number }> {
    return this.writev([bytes.subarray(at, at + length)]);
  }

  /** Resolves when all bytes of the stream are in the file. */
  async end(): Promise<void> {
    this.#stream.end();
    await this.#piped;
  }

  destroy(): void {
    this.#stream.destroy();
  }

  async #accepted(bytes: Buffer): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
    const ended = this.#piped.then(() => {
      throw new Error('the stream of the option encrypt has ended');
    });
    await Promise.race([written, ended]);
  }
}

class Target extends Writable {
  readonly #file: QueueTarget;

  constructor(file: QueueTarget) {
    super();
    this.#file = file;
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    writeAll(this.#file, [bytes]).then(() => done(), done);
  }
}

import type { Socket } from 'node:net';

/** The viewer violated the protocol, and is disconnected. */
export class ProtocolError extends Error {}

const MAX_READ = 64 * 1024;

/**
 * Reads a given number of bytes from a socket. At most one chunk is buffered: between reads, the socket is paused.
 */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer, undefined>;
  #held: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#chunks = (socket as AsyncIterable<Buffer, undefined>)[Symbol.asyncIterator]();
  }

  async read(length: number): Promise<Buffer> {
    if (length > MAX_READ) throw new ProtocolError(`${length} bytes at once`);
    const parts = [this.#held];
    let total = this.#held.length;
    while (total < length) {
      const chunk = await this.#next();
      parts.push(chunk);
      total += chunk.length;
    }
    const all = parts.length === 1 ? this.#held : Buffer.concat(parts);
    this.#held = all.subarray(length);
    return all.subarray(0, length);
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) {
      if (this.#held.length === 0) this.#held = await this.#next();
      const part = Math.min(left, this.#held.length);
      this.#held = this.#held.subarray(part);
      left -= part;
    }
  }

  async #next(): Promise<Buffer> {
    const { value } = await this.#chunks.next();
    if (value === undefined) throw new ProtocolError('the connection ended');
    return value;
  }
}

import { constants, createDeflate } from 'node:zlib';

const LEVEL = 3;

/**
 * The one zlib stream of a viewer: every rectangle goes on where the last one ended.
 * https://github.com/rfbproto/rfbproto/blob/master/rfbproto.rst#zlib-encoding
 */
export class Deflater {
  readonly #stream = createDeflate({ level: LEVEL });
  readonly #out: Buffer[] = [];

  constructor() {
    this.#stream.on('data', (part: Buffer) => this.#out.push(part));
    // Closing the stream in the middle of a write fails that write; its viewer is gone by then.
    this.#stream.on('error', () => undefined);
  }

  /** One at a time: the caller waits for the answer before it compresses more. */
  async deflate(bytes: Buffer): Promise<Buffer> {
    await new Promise<void>((done) => {
      this.#stream.write(bytes);
      this.#stream.flush(constants.Z_SYNC_FLUSH, done);
    });
    return Buffer.concat(this.#out.splice(0));
  }

  close(): void {
    this.#stream.close();
  }
}

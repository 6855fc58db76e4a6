import { constants, createDeflate } from 'node:zlib';

const LEVEL = 3;

/**
 * The zlib stream of a viewer: each rectangle continues the stream of the previous rectangle.
 * https://github.com/rfbproto/rfbproto/blob/master/rfbproto.rst#zlib-encoding
 */
export class Deflater {
  readonly #stream = createDeflate({ level: LEVEL });
  readonly #out: Buffer[] = [];

  constructor() {
    this.#stream.on('data', (part: Buffer) => this.#out.push(part));
    // Closing the stream fails a pending write, but the viewer is already disconnected.
    this.#stream.on('error', () => undefined);
  }

  /** One write at a time: call again only after the result. */
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

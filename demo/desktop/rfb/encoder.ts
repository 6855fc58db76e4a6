import type { Rect } from '../draw/rect.js';
import type { Surface } from '../draw/surface.js';
import { CURSOR, cursorRectangle } from './cursor.js';
import { Deflater } from './deflater.js';
import { rectangleHeader, updateHeader } from './header.js';
import { nativeFormat, Translator, type PixelFormat } from './pixelformat.js';

const RAW = 0;
const ZLIB = 6;

/** Writes updates in the pixel format and the encoding of a viewer. */
export class Encoder {
  #translator = new Translator(nativeFormat);
  #encoding: typeof RAW | typeof ZLIB = RAW;
  #deflater: Deflater | undefined;
  #owesCursor = false;

  /** Does the viewer need the cursor's shape? */
  get owesCursor(): boolean {
    return this.#owesCursor;
  }

  setFormat(format: PixelFormat): void {
    this.#translator = new Translator(format);
  }

  setEncodings(encodings: readonly number[]): void {
    this.#encoding = encodings.includes(ZLIB) ? ZLIB : RAW;
    this.#owesCursor = encodings.includes(CURSOR);
  }

  /** Copies the pixels before returning: later changes belong to the next update. */
  async update(surface: Surface, parts: readonly Rect[]): Promise<Buffer> {
    const encoding = this.#encoding;
    const pixels = parts.map((part) => ({ part, bytes: this.#translator.pixels(surface, part) }));
    const pieces: Buffer[] = [updateHeader(parts.length + Number(this.#owesCursor))];
    if (this.#owesCursor) pieces.push(cursorRectangle(this.#translator));
    this.#owesCursor = false;
    for (const { part, bytes } of pixels) {
      pieces.push(
        rectangleHeader(part, encoding),
        ...(encoding === RAW ? [bytes] : await this.#deflate(bytes)),
      );
    }
    return Buffer.concat(pieces);
  }

  close(): void {
    this.#deflater?.close();
  }

  async #deflate(bytes: Buffer): Promise<Buffer[]> {
    this.#deflater ??= new Deflater();
    const packed = await this.#deflater.deflate(bytes);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(packed.length);
    return [length, packed];
  }
}

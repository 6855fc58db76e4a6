import { bottom, type Rect } from '../draw/rect.js';
import type { Surface } from '../draw/surface.js';
import { ProtocolError } from './reader.js';

/** https://www.rfc-editor.org/rfc/rfc6143#section-7.4 */
export interface PixelFormat {
  readonly bitsPerPixel: 8 | 16 | 32;
  readonly depth: number;
  readonly bigEndian: boolean;
  readonly redMax: number;
  readonly greenMax: number;
  readonly blueMax: number;
  readonly redShift: number;
  readonly greenShift: number;
  readonly blueShift: number;
}

export const nativeFormat: PixelFormat = {
  bitsPerPixel: 32,
  depth: 24,
  bigEndian: false,
  redMax: 255,
  greenMax: 255,
  blueMax: 255,
  redShift: 16,
  greenShift: 8,
  blueShift: 0,
};

export function writeFormat(format: PixelFormat): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.set([format.bitsPerPixel, format.depth, Number(format.bigEndian), 1]);
  bytes.writeUInt16BE(format.redMax, 4);
  bytes.writeUInt16BE(format.greenMax, 6);
  bytes.writeUInt16BE(format.blueMax, 8);
  bytes.set([format.redShift, format.greenShift, format.blueShift], 10);
  return bytes;
}

export function readFormat(bytes: Buffer): PixelFormat {
  const bitsPerPixel = bytes.readUInt8(0);
  if (bitsPerPixel !== 8 && bitsPerPixel !== 16 && bitsPerPixel !== 32) {
    throw new ProtocolError(`${bitsPerPixel} bits per pixel`);
  }
  if (bytes.readUInt8(3) === 0) throw new ProtocolError('colour maps are not supported');
  const format: PixelFormat = {
    bitsPerPixel,
    depth: bytes.readUInt8(1),
    bigEndian: bytes.readUInt8(2) !== 0,
    redMax: bytes.readUInt16BE(4),
    greenMax: bytes.readUInt16BE(6),
    blueMax: bytes.readUInt16BE(8),
    redShift: bytes.readUInt8(10),
    greenShift: bytes.readUInt8(11),
    blueShift: bytes.readUInt8(12),
  };
  for (const [max, shift] of [
    [format.redMax, format.redShift],
    [format.greenMax, format.greenShift],
    [format.blueMax, format.blueShift],
  ] as const) {
    if (max === 0 || max * 2 ** shift >= 2 ** bitsPerPixel)
      throw new ProtocolError('colours outside the pixel');
  }
  return format;
}

type Table = readonly [red: Uint32Array, green: Uint32Array, blue: Uint32Array];

const ramp = (max: number, shift: number): Uint32Array =>
  Uint32Array.from({ length: 256 }, (_, value) => Math.round((value * max) / 255) * 2 ** shift);

/** Turns the screen's pixels into a viewer's. */
export class Translator {
  readonly #table: Table;

  constructor(readonly format: PixelFormat) {
    this.#table = [
      ramp(format.redMax, format.redShift),
      ramp(format.greenMax, format.greenShift),
      ramp(format.blueMax, format.blueShift),
    ];
  }

  pixels(surface: Surface, part: Rect): Buffer {
    const { bitsPerPixel, bigEndian } = this.format;
    const out = { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array }[bitsPerPixel];
    const values = new out(part.width * part.height);
    const [red, green, blue] = this.#table;
    for (let y = part.y, to = 0; y < bottom(part); y++) {
      const row = y * surface.width + part.x;
      for (let x = 0; x < part.width; x++) {
        const pixel = surface.data[row + x] ?? 0;
        values[to++] =
          (red[pixel >>> 16] ?? 0) | (green[(pixel >>> 8) & 255] ?? 0) | (blue[pixel & 255] ?? 0);
      }
    }
    const bytes = Buffer.from(values.buffer);
    // Typed arrays have the byte order of the machine: little-endian on all platforms of Node except s390x.
    if (bigEndian !== isBigEndianMachine) {
      if (bitsPerPixel === 16) bytes.swap16();
      else if (bitsPerPixel === 32) bytes.swap32();
    }
    return bytes;
  }
}

const isBigEndianMachine = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0;

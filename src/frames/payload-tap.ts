import { unmaskInto } from './mask.js';
import { OPCODE } from './opcodes.js';
import type { Sender } from './frame-follower.js';

/** The longest header: 2 bytes, 8 of length, 4 of masking key. */
const MAX_HEADER = 14;

/**
 * Reads the payload of data frames (RFC 6455 section 5.2) from the bytes of one direction, before a {@link FrameWay} passes the bytes on
 * unchanged. The boundaries of messages are lost. Extensions are not supported, since they may compress the payload. After an invalid
 * frame, which the FrameFollower reports, no payload is read.
 */
export class PayloadTap {
  readonly #see: (payload: Buffer) => unknown;
  readonly #flag: 0x80 | 0;
  readonly #header = Buffer.alloc(MAX_HEADER);
  #headerLength = 0;
  /** Payload bytes of the current frame that have not arrived yet. */
  #missing = 0;
  #isData = false;
  #key = 0;
  /** Payload bytes of the current frame that have arrived: the position in the masking key. */
  #phase = 0;
  /** A Close or an invalid frame has arrived. */
  #isOver = false;

  /** `see` is called with the payload of each chunk. The memory of the payload is used again after the call. */
  constructor(from: Sender, see: (payload: Buffer) => unknown) {
    this.#flag = from === 'client' ? 0x80 : 0;
    this.#see = see;
  }

  read(chunk: Buffer): void {
    const parts: Buffer[] = [];
    let at = 0;
    while (at < chunk.length && !this.#isOver) {
      if (this.#missing === 0) {
        at = this.#readHeader(chunk, at);
        continue;
      }
      const size = Math.min(this.#missing, chunk.length - at);
      if (this.#isData) parts.push(this.#unmask(chunk.subarray(at, at + size)));
      this.#missing -= size;
      this.#phase += size;
      at += size;
    }
    const [first, ...others] = parts;
    if (first) this.#see(others.length === 0 ? first : Buffer.concat(parts));
  }

  /** Returns the offset after the bytes that were read. */
  #readHeader(chunk: Buffer, at: number): number {
    const header = this.#header;
    const copied = chunk.copy(header, this.#headerLength, at, at + this.#headerSize() - this.#headerLength);
    this.#headerLength += copied;
    // Two bytes reveal the size of the header.
    if (this.#headerLength === this.#headerSize()) this.#begin();
    return at + copied;
  }

  #headerSize(): number {
    if (this.#headerLength < 2) return 2;
    const short = (this.#header[1] ?? 0) & 0x7f;
    return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (this.#flag ? 4 : 0);
  }

  #begin(): void {
    const header = this.#header;
    const [first = 0, second = 0] = header;
    const opcode = first & 0x0f;
    const short = second & 0x7f;
    const length =
      short < 126
        ? short
        : short === 126
          ? header.readUInt16BE(2)
          : header.readUInt32BE(2) * 0x1_0000_0000 + header.readUInt32BE(6);
    this.#isData = opcode <= OPCODE.binary;
    const isKnown = this.#isData || opcode === OPCODE.ping || opcode === OPCODE.pong;
    if (
      !isKnown ||
      (first & 0x70) !== 0 ||
      (second & 0x80) !== this.#flag ||
      length > Number.MAX_SAFE_INTEGER
    )
      this.#isOver = true;
    this.#missing = length;
    this.#phase = 0;
    if (this.#flag) this.#key = header.readUInt32LE(this.#headerLength - 4);
    this.#headerLength = 0;
  }

  /** Copies masked payload, because the relay passes the masked chunk on unchanged. */
  #unmask(payload: Buffer): Buffer {
    if (!this.#flag) return payload;
    const copy = Buffer.from(payload);
    const view = new DataView(copy.buffer, copy.byteOffset, copy.length);
    unmaskInto(copy, view, 0, 0, copy.length, this.#key, this.#phase);
    return copy;
  }
}

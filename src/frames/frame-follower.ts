import { CLOSE, endingOf, type Ending } from '../streams/close-causes.js';
import type { CloseCause } from '../types.js';
import { isSendable } from './close-codes.js';
import { MAX_CONTROL_PAYLOAD, OPCODE } from './opcodes.js';
import { Utf8Checker } from './utf8.js';

export type Sender = 'client' | 'server';

/** Decides whether PONGs and Closes pass. Earlier frames of the same chunk are passed on only after these calls. */
export interface FollowerOwner {
  /** Called for a PONG with a payload of `PING_SIZE` bytes. True: the frame is removed. */
  removesPong(from: Sender, payload: Buffer): boolean;
  /** Called for the Close. True: the frame is removed. */
  removesClose(from: Sender): boolean;
}

/** Bytes of the payload of the tunnel's own PINGs: only PONGs of this size are read. */
export const PING_SIZE = 8;

/** The longest control frame, in bytes: 2, 4 of masking key, 125 of payload. The longest header of a data frame is shorter. */
const MAX_HELD = 6 + MAX_CONTROL_PAYLOAD;

/** The first byte of a message in one frame. */
const FINAL_TEXT = 0x80 | OPCODE.text;
const FINAL_BINARY = 0x80 | OPCODE.binary;

const NOTHING = Buffer.alloc(0);

/**
 * Follows the frame boundaries of one direction (RFC 6455 section 5.2), for frames that are passed on unchanged. Payload is neither
 * unmasked nor checked. Headers and control frames pass only as a whole: the end of the passed bytes is a frame boundary, or is
 * inside the payload of a data frame. At most 131 bytes are held back between two chunks.
 */
export class FrameFollower {
  /** Bytes of payload that are missing in the current data frame; 0 at a frame boundary. */
  missing = 0;
  /** Bytes of payload of data frames so far. */
  payload = 0;
  /** The reason why the bytes can't be followed any further. */
  failure: Ending | undefined;
  /** The Close: the last frame. */
  closed: { readonly code: number; readonly reason: string } | undefined;
  /**
   * A header or control frame that the last chunk completed: passes before the bytes that `follow` returned. Joined, both would cost a
   * copy of the chunk, for every tenth chunk of small frames.
   */
  front: Buffer = NOTHING;
  /** Frames of the last chunk that were removed. */
  removed = 0;
  readonly #owner: FollowerOwner;
  readonly #from: Sender;
  readonly #flag: 0x80 | 0;
  readonly #keySize: 4 | 0;
  /** Reserved bits that may not be set. */
  readonly #reserved: number;
  #isFragmented = false;
  #opcode = 0;
  #length = 0;
  /** The start of a header or of a control frame that is split between two chunks. Many connections never need the buffer. */
  #held: Buffer | undefined;
  #heldLength = 0;
  // The current chunk: the parts that pass before `#start`, and the start of the part that is not in the list yet.
  #parts: Buffer[] | undefined;
  #start = 0;

  /** `hasExtensions`: reserved bits may be set, and belong to the negotiated extensions. */
  constructor(from: Sender, hasExtensions: boolean, owner: FollowerOwner) {
    this.#from = from;
    this.#owner = owner;
    this.#flag = from === 'client' ? 0x80 : 0;
    this.#keySize = from === 'client' ? 4 : 0;
    this.#reserved = hasExtensions ? 0 : 0x70;
  }

  /** True after a Close or a failure: no more frames are followed. */
  get isDone(): boolean {
    return this.failure !== undefined || this.closed !== undefined;
  }

  /** Returns the bytes that pass after {@link front}: usually the chunk, otherwise a part of the chunk or a copy. */
  follow(chunk: Buffer): Buffer {
    const { length } = chunk;
    let at = 0;
    let end = length;
    this.#start = 0;
    this.front = NOTHING;
    this.removed = 0;
    if (this.#hasStopped()) return NOTHING;
    while (at < end) {
      if (this.missing > 0) {
        const size = Math.min(this.missing, length - at);
        this.missing -= size;
        this.payload += size;
        at += size;
        continue;
      }
      if (this.#heldLength > 0) {
        at = this.#start = this.#complete(chunk, at);
        if (this.#hasStopped()) end = at;
      } else {
        at = this.#skipMessages(chunk, at);
        if (at === length) break;
        const header = this.#readHeader(chunk, at, length);
        const isControl = this.#opcode >= OPCODE.close;
        if (header < 0) end = at;
        else if (header === 0 || (isControl && at + header + this.#length > length)) {
          this.#hold(chunk, at);
          end = at;
        } else if (isControl) {
          const next = at + header + this.#length;
          if (this.#removes(chunk, at + header)) this.#remove(chunk, at, next);
          at = next;
          if (this.#hasStopped()) end = this.failure ? this.#start : at;
        } else {
          this.#beginData(chunk[at] ?? 0);
          at += header;
        }
      }
    }
    return this.#passed(chunk, end);
  }

  /** A method, since TypeScript would assume that a getter returns the same value at each later read. */
  #hasStopped(): boolean {
    return this.isDone;
  }

  /** Skips unfragmented messages below 64 KiB that lie in the chunk as a whole: a chunk may contain a thousand of them. */
  #skipMessages(chunk: Buffer, from: number): number {
    if (this.#isFragmented) return from;
    const reserved = this.#reserved;
    const flag = this.#flag;
    const head = 2 + this.#keySize;
    const { length } = chunk;
    const end = length - 4;
    let at = from;
    let payload = 0;
    while (at < end) {
      const first = chunk[at] ?? 0;
      const start = first & 0x8f;
      if ((start !== FINAL_BINARY && start !== FINAL_TEXT) || (first & reserved) !== 0) break;
      // The mask bit, if wrong, makes the length larger than 127.
      const short = (chunk[at + 1] ?? 0) ^ flag;
      if (short < 126) {
        const next = at + head + short;
        if (next > length) break;
        payload += short;
        at = next;
      } else {
        const long = ((chunk[at + 2] ?? 0) << 8) | (chunk[at + 3] ?? 0);
        const next = at + head + 2 + long;
        if (short !== 126 || long < 126 || next > length) break;
        payload += long;
        at = next;
      }
    }
    this.payload += payload;
    return at;
  }

  /** Returns the length of the header at `at`, 0 if the header is incomplete, and -1 after a failure. */
  #readHeader(bytes: Buffer, at: number, end: number): number {
    if (end - at < 2) return 0;
    const first = bytes[at] ?? 0;
    const second = bytes[at + 1] ?? 0;
    const opcode = (this.#opcode = first & 0x0f);
    const isStart = opcode === OPCODE.binary || opcode === OPCODE.text;
    if ((first & this.#reserved) !== 0 || (second & 0x80) !== this.#flag || !isStart || this.#isFragmented) {
      const wrong = this.#wrongStart(first, second);
      if (wrong !== undefined) return this.#fail('protocol-error', wrong);
    }
    const short = second & 0x7f;
    this.#length = short;
    if (short < 126) {
      const size = 2 + this.#keySize;
      return at + size <= end ? size : 0;
    }
    return this.#readLength(bytes, at, end, short);
  }

  #readLength(bytes: Buffer, at: number, end: number, short: number): number {
    const size = (short === 126 ? 4 : 10) + this.#keySize;
    if (at + size > end) return 0;
    const high = short === 126 ? 0 : bytes.readUInt32BE(at + 2);
    if (high > 0x7fffffff) return this.#fail('protocol-error', 'a length above 2^63 - 1');
    if (high > 0x1fffff) return this.#fail('frame-too-large', 'a frame above 2^53 - 1 bytes');
    const low = short === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 6);
    this.#length = high * 0x1_0000_0000 + low;
    if (this.#length < (short === 126 ? 126 : 0x10000))
      return this.#fail('protocol-error', 'a length not in its shortest form');
    return size;
  }

  /** The error in the first two bytes of a header, if any. */
  #wrongStart(first: number, second: number): string | undefined {
    const opcode = first & 0x0f;
    if ((first & this.#reserved) !== 0) return 'reserved bits are set';
    if ((second & 0x80) !== this.#flag)
      return this.#from === 'client' ? 'client frames must be masked' : 'server frames must not be masked';
    if (opcode > OPCODE.pong || (opcode > OPCODE.binary && opcode < OPCODE.close)) return 'unknown opcode';
    if (opcode >= OPCODE.close) {
      if ((first & 0x80) === 0) return 'a control frame may not be fragmented';
      return (second & 0x7f) > MAX_CONTROL_PAYLOAD ? 'a control frame carries at most 125 bytes' : undefined;
    }
    if ((opcode === OPCODE.continuation) === this.#isFragmented) return undefined;
    return this.#isFragmented
      ? 'a new message inside a fragmented one'
      : 'a continuation frame without a message';
  }

  #beginData(first: number): void {
    this.#isFragmented = (first & 0x80) === 0;
    this.missing = this.#length;
  }

  #hold(chunk: Buffer, at: number): void {
    this.#held ??= Buffer.allocUnsafeSlow(MAX_HELD);
    this.#heldLength = chunk.copy(this.#held, 0, at);
  }

  /** Completes the held bytes to a header or a control frame, which becomes `front`. Returns the end of the added bytes. */
  #complete(chunk: Buffer, from: number): number {
    const held = this.#held ?? NOTHING;
    let at = from;
    for (;;) {
      const header = this.#readHeader(held, 0, this.#heldLength);
      if (header < 0) break;
      const isControl = this.#opcode >= OPCODE.close;
      const size = header === 0 ? this.#headerSize(held) : header + (isControl ? this.#length : 0);
      if (this.#heldLength < size) {
        const copied = chunk.copy(held, this.#heldLength, at, at + size - this.#heldLength);
        if (copied === 0) return at;
        this.#heldLength += copied;
        at += copied;
        continue;
      }
      const isRemoved = isControl && this.#removes(held, header);
      if (!isRemoved) this.front = Buffer.from(held.subarray(0, size));
      if (!isControl) this.#beginData(held[0] ?? 0);
      break;
    }
    this.#heldLength = 0;
    return at;
  }

  #headerSize(held: Buffer): number {
    if (this.#heldLength < 2) return 2;
    const short = (held[1] ?? 0) & 0x7f;
    return 2 + this.#keySize + (short === 126 ? 2 : short === 127 ? 8 : 0);
  }

  /** Reads a whole control frame. `at`: the start of the payload. Returns true if the frame does not pass. */
  #removes(bytes: Buffer, at: number): boolean {
    if (this.#opcode === OPCODE.ping) return false;
    if (this.#opcode === OPCODE.pong)
      return this.#length === PING_SIZE && this.#owner.removesPong(this.#from, this.#payloadOf(bytes, at));
    return !this.#readClose(this.#payloadOf(bytes, at)) || this.#owner.removesClose(this.#from);
  }

  /** See RFC 6455 section 5.5.1. */
  #readClose(payload: Buffer): boolean {
    if (payload.length === 1) this.#fail('protocol-error', 'truncated close code');
    const code = payload.length < 2 ? CLOSE.noStatus : payload.readUInt16BE(0);
    if (payload.length >= 2 && !isSendable(code))
      this.#fail('protocol-error', `close code ${code} may not be sent`);
    const reason = payload.subarray(2);
    const checker = new Utf8Checker();
    if (!this.failure && (!checker.push(reason) || !checker.complete))
      this.#fail('not-utf8', 'a close reason that is not UTF-8');
    if (this.failure) return false;
    this.closed = { code, reason: reason.toString('utf8') };
    return true;
  }

  /** An unmasked copy. */
  #payloadOf(bytes: Buffer, at: number): Buffer {
    const payload = Buffer.from(bytes.subarray(at, at + this.#length));
    if (this.#keySize > 0)
      for (let i = 0; i < payload.length; i++)
        payload[i] = (payload[i] ?? 0) ^ (bytes[at - 4 + (i & 3)] ?? 0);
    return payload;
  }

  /** Removes a frame from the chunk. */
  #remove(chunk: Buffer, at: number, end: number): void {
    this.removed++;
    if (at > this.#start) (this.#parts ??= []).push(chunk.subarray(this.#start, at));
    this.#start = end;
  }

  #passed(chunk: Buffer, end: number): Buffer {
    const isWhole = this.#start === 0 && end === chunk.length;
    const rest = isWhole ? chunk : chunk.subarray(this.#start, Math.max(this.#start, end));
    const parts = this.#parts;
    if (!parts) return rest;
    this.#parts = undefined;
    if (rest.length > 0) parts.push(rest);
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }

  #fail(cause: CloseCause, reason: string): -1 {
    this.failure = endingOf(cause, reason);
    return -1;
  }
}

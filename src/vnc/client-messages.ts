import { Buffer } from 'node:buffer';
import { bodySize, headSize, whyInvalid } from './message-length.js';
import * as types from './message-types.js';
import { PassingBytes } from './passing-bytes.js';

const { MESSAGE, QEMU, FIXED_SIZE, IS_VIEW } = types;
const NOTHING = Buffer.alloc(0);

/**
 * Finds the messages of a client after ClientInit, and with `viewOnly` removes all messages that do more than view. The backend finds the
 * same messages in the bytes that pass: their lengths depend on no message that was removed.
 *
 * Between chunks at most the head of one message is kept. With `viewOnly` the head of a message of variable length passes when it is
 * complete and valid.
 */
export class ClientMessages {
  /** Why the bytes can't be read; nothing passes any more. */
  failure: string | undefined;
  /** Counts keys, and events of the pointer that change the position or the buttons; also those that were removed. */
  inputs = 0;

  readonly #viewOnly: boolean;
  readonly #passing = new PassingBytes();
  readonly #head = Buffer.alloc(types.MAX_HEAD);
  /** Bytes in `#head`, from earlier chunks. */
  #headLength = 0;
  /** Missing bytes of the current message. */
  #left = 0;
  /** Encodings at the end of the current message that do not pass, in bytes. */
  #surplus = 0;
  /** Do the bytes of the last step pass? */
  #passes = true;
  #isEncodings = false;
  #encoding = 0;
  #hasExtendedButtons = false;
  #mask = -1;
  #position = -1;

  constructor(viewOnly: boolean) {
    this.#viewOnly = viewOnly;
  }

  /** The bytes that pass: `chunk` itself, or a part (after bytes were moved inside `chunk`), or a new buffer. */
  in(chunk: Buffer): Buffer {
    if (this.failure !== undefined) return NOTHING;
    let from = 0;
    let at = 0;
    while (at < chunk.length) {
      const next = this.#step(chunk, at);
      if (!this.#passes) {
        this.#passing.add(chunk, from, at);
        from = next;
      }
      at = next;
    }
    this.#passing.add(chunk, from, at);
    return this.#passing.take(chunk);
  }

  /** Reads a message, its head or a part of its body. Returns the end of the bytes that were read. */
  #step(chunk: Buffer, at: number): number {
    if (this.#left > 0) return this.#readBody(chunk, at);
    if (this.#headLength > 0) return this.#completeHead(chunk, at);
    const type = chunk[at] ?? 0;
    const size = FIXED_SIZE[type] ?? 0;
    if (size === 0) return this.#readHead(chunk, at);
    this.#passes = !this.#viewOnly || IS_VIEW[type] === 1;
    if (type === MESSAGE.keyEvent) this.inputs++;
    const next = at + size;
    if (next <= chunk.length) return next;
    this.#isEncodings = false;
    this.#left = next - chunk.length;
    return chunk.length;
  }

  #readHead(chunk: Buffer, at: number): number {
    const size = headSize(chunk, at, chunk.length);
    if (size === 0) return this.#fail(chunk, whyInvalid(chunk, at));
    if (at + size <= chunk.length)
      return this.#beginBody(chunk, at) ? at + size : this.#fail(chunk, whyInvalid(chunk, at));
    this.#headLength = chunk.copy(this.#head, 0, at);
    this.#passes = !this.#viewOnly;
    return chunk.length;
  }

  #completeHead(chunk: Buffer, at: number): number {
    const head = this.#head;
    const copied = chunk.copy(
      head,
      this.#headLength,
      at,
      at + headSize(head, 0, this.#headLength) - this.#headLength,
    );
    this.#headLength += copied;
    const size = this.#headLength;
    this.#passes = !this.#viewOnly;
    if (size < headSize(head, 0, size)) return at + copied;
    this.#headLength = 0;
    if (!this.#beginBody(head, 0)) return this.#fail(chunk, whyInvalid(head, 0));
    if (this.#viewOnly && this.#passes) {
      this.#passing.front = Buffer.from(head.subarray(0, size - copied));
      // The number of encodings may have changed.
      head.copy(chunk, at, size - copied, size);
    }
    return at + copied;
  }

  /** Reads a complete head. Returns false if the message is invalid. */
  #beginBody(bytes: Buffer, at: number): boolean {
    const size = bodySize(bytes, at, this.#hasExtendedButtons);
    if (size < 0) return false;
    const type = bytes[at] ?? 0;
    this.#left = size;
    this.#passes = !this.#viewOnly || IS_VIEW[type] === 1;
    this.#isEncodings = type === MESSAGE.setEncodings;
    if (type === MESSAGE.pointerEvent) this.#readPointer(bytes, at);
    else if (type === MESSAGE.setEncodings) this.#beginEncodings(bytes, at);
    else if (type === MESSAGE.qemu && bytes[at + 1] === QEMU.keyEvent) this.inputs++;
    return true;
  }

  /** An event that repeats the last position and buttons is no input; one with extended buttons always is. */
  #readPointer(bytes: Buffer, at: number): void {
    const mask = bytes[at + 1] ?? 0;
    const position = bytes.readUInt32BE(at + 2);
    if (mask !== this.#mask || position !== this.#position || this.#left > 0) this.inputs++;
    this.#mask = mask;
    this.#position = position;
  }

  #beginEncodings(bytes: Buffer, at: number): void {
    // Each SetEncodings replaces the one before.
    this.#hasExtendedButtons = false;
    this.#surplus = this.#viewOnly ? Math.max(0, this.#left - 4 * types.MAX_VIEW_ENCODINGS) : 0;
    if (this.#surplus > 0) bytes.writeUInt16BE(types.MAX_VIEW_ENCODINGS, at + 2);
  }

  #readBody(chunk: Buffer, at: number): number {
    if (this.#left === this.#surplus) {
      this.#surplus = 0;
      this.#passes = this.#isEncodings = false;
    }
    const next = Math.min(at + this.#left - this.#surplus, chunk.length);
    if (this.#isEncodings) this.#readEncodings(chunk, at, next);
    this.#left -= next - at;
    return next;
  }

  #readEncodings(chunk: Buffer, from: number, to: number): void {
    let left = this.#left;
    for (let at = from; at < to; at++) {
      this.#encoding = (this.#encoding << 8) | (chunk[at] ?? 0);
      if ((--left & 3) === 0 && this.#encoding === types.EXTENDED_MOUSE_BUTTONS)
        this.#hasExtendedButtons = true;
    }
  }

  /** Neither the invalid message nor the rest of the chunk passes. */
  #fail(chunk: Buffer, reason: string): number {
    this.failure = reason;
    this.#passes = false;
    return chunk.length;
  }
}

import { isUtf8 } from 'node:buffer';

/**
 * Checks a byte stream for UTF-8, chunk by chunk, and fails at the first invalid byte (RFC 6455 section 8.1, RFC 3629 section 4).
 * Whole chunks go through Node's native check; only a character cut by the end of a chunk is checked byte by byte.
 */
export class Utf8Checker {
  // The incomplete character at the end of the last chunk: the number of missing bytes, and the valid range of the next byte.
  #missing = 0;
  #low = 0x80;
  #high = 0xbf;

  /** After a `false`: the number of bytes of the chunk before the invalid byte. */
  good = 0;

  /** True if the stream may end here: no character is incomplete. */
  get complete(): boolean {
    return this.#missing === 0;
  }

  /** Returns false as soon as the stream can't be UTF-8. */
  push(chunk: Uint8Array): boolean {
    let at = 0;
    for (; this.#missing > 0 && at < chunk.length; at++) {
      this.good = at;
      if (!this.#continue(chunk[at] ?? 0)) return false;
    }
    if (at === chunk.length) return true;
    const cut = wholeCharacters(chunk, at);
    // If the check fails, all bytes are checked one by one, up to the invalid byte.
    if (cut > at && isUtf8(chunk.subarray(at, cut))) at = cut;
    for (; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      this.good = at;
      if (!(this.#missing > 0 ? this.#continue(byte) : this.#begin(byte))) return false;
    }
    return true;
  }

  #continue(byte: number): boolean {
    if (byte < this.#low || byte > this.#high) return false;
    this.#missing--;
    this.#low = 0x80;
    this.#high = 0xbf;
    return true;
  }

  #begin(byte: number): boolean {
    if (byte < 0x80) return true;
    this.#missing = sequenceLength(byte) - 1;
    // The range of the second byte excludes overlong forms, surrogates and code points above U+10FFFF.
    if (byte === 0xe0) this.#low = 0xa0;
    else if (byte === 0xf0) this.#low = 0x90;
    else if (byte === 0xed) this.#high = 0x9f;
    else if (byte === 0xf4) this.#high = 0x8f;
    return this.#missing > 0;
  }
}

/** The end of the last whole character of `chunk`; the rest, at most 3 bytes, is the start of a character. */
export function wholeCharacters(chunk: Uint8Array, from = 0): number {
  const first = Math.max(from, chunk.length - 3);
  for (let at = chunk.length - 1; at >= first; at--) {
    const byte = chunk[at] ?? 0;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return sequenceLength(byte) > chunk.length - at ? at : chunk.length;
  }
  return chunk.length;
}

/** The length of a sequence by its first byte; 0 if no character begins with this byte. */
function sequenceLength(byte: number): number {
  if (byte >= 0xc2 && byte <= 0xdf) return 2;
  if (byte >= 0xe0 && byte <= 0xef) return 3;
  if (byte >= 0xf0 && byte <= 0xf4) return 4;
  return byte < 0x80 ? 1 : 0;
}

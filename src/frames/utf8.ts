import { isUtf8 } from 'node:buffer';

/**
 * Checks a byte stream for UTF-8, chunk by chunk, failing at the first byte that can't be right (RFC 6455 section 8.1,
 * RFC 3629 section 4). Whole chunks go through Node's native check; only a character cut by a chunk's end is followed
 * byte by byte.
 */
export class Utf8Checker {
  // The character that the last chunk broke off: how many bytes are missing, and the range of the next one.
  #missing = 0;
  #low = 0x80;
  #high = 0xbf;

  /** After a `false`: how many bytes of the chunk came before the one that is wrong. */
  good = 0;

  /** True where the stream may end: no character is open. */
  get complete(): boolean {
    return this.#missing === 0;
  }

  /** False as soon as the stream can't be UTF-8 any more. */
  push(chunk: Uint8Array): boolean {
    let at = 0;
    for (; this.#missing > 0 && at < chunk.length; at++) {
      this.good = at;
      if (!this.#continue(chunk[at] ?? 0)) return false;
    }
    if (at === chunk.length) return true;
    const cut = wholeCharacters(chunk, at);
    // Where it is not, all of it is followed byte by byte, to the one that is wrong.
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
    // The second byte's range rules out overlong forms, surrogates and what is above U+10FFFF.
    if (byte === 0xe0) this.#low = 0xa0;
    else if (byte === 0xf0) this.#low = 0x90;
    else if (byte === 0xed) this.#high = 0x9f;
    else if (byte === 0xf4) this.#high = 0x8f;
    return this.#missing > 0;
  }
}

/** Where the last whole character of `chunk` ends; what follows, at most 3 bytes, began a character. */
export function wholeCharacters(chunk: Uint8Array, from = 0): number {
  const first = Math.max(from, chunk.length - 3);
  for (let at = chunk.length - 1; at >= first; at--) {
    const byte = chunk[at] ?? 0;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return sequenceLength(byte) > chunk.length - at ? at : chunk.length;
  }
  return chunk.length;
}

/** By its first byte; 0 where no character begins so. */
function sequenceLength(byte: number): number {
  if (byte >= 0xc2 && byte <= 0xdf) return 2;
  if (byte >= 0xe0 && byte <= 0xef) return 3;
  if (byte >= 0xf0 && byte <= 0xf4) return 4;
  return byte < 0x80 ? 1 : 0;
}

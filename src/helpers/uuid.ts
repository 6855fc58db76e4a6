import { randomFillSync } from 'node:crypto';

const SIZE = 16;

/** Random bytes for many ids: a call of the generator for each id would cost more than the id. */
const random = Buffer.alloc(256 * SIZE);
let at = random.length;

const text = Buffer.alloc(36, '-');
const DIGITS = Buffer.from('0123456789abcdef');
/** The position in the text of each byte's two digits (RFC 9562 section 4). */
const POSITIONS = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/** A random UUID (version 4). Node's `randomUUID()` joins twenty texts, and V8 keeps them all for as long as the result. */
export function uuid(): string {
  if (at === random.length) {
    randomFillSync(random);
    at = 0;
  }
  for (let index = 0; index < SIZE; index++) {
    const position = POSITIONS[index] ?? 0;
    let byte = random[at + index] ?? 0;
    if (index === 6) byte = (byte & 0x0f) | 0x40;
    if (index === 8) byte = (byte & 0x3f) | 0x80;
    text[position] = DIGITS[byte >> 4] ?? 0;
    text[position + 1] = DIGITS[byte & 15] ?? 0;
  }
  at += SIZE;
  return text.toString('latin1');
}

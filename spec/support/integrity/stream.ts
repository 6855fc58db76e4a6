import { Random, seedOf } from '../random.js';

/** Names a stream: no two streams of one seed share a block. */
export interface StreamName {
  readonly seed: number;
  readonly tunnel: number;
  readonly direction: 'up' | 'down';
  /** Text instead of random bytes: valid UTF-8, with characters of every length. */
  readonly text?: boolean;
}

export const BLOCK = 1024;
const HEAD = 32;
const CHARACTERS = ['a', 'Z', '0', 'é', 'ß', '€', '漢', '🐘', '\u{10ffff}'].map((one) => Buffer.from(one));

/** `<u 00000012 0000000003 seed>`: identifies a block that arrives at the wrong place or in the wrong tunnel. */
function headOf({ seed, tunnel, direction }: StreamName, index: number): string {
  const text = `<${direction[0]} ${String(tunnel).padStart(8, '0')} ${String(index).padStart(9, '0')} `;
  return `${text}${seed.toString(16).padStart(8, '0')}>`.padEnd(HEAD);
}

/** The tunnel named in a block; undefined if the bytes do not start with a block. */
export function tunnelOf(start: Buffer): number | undefined {
  const known = /^<[ud] (\d{8}) /.exec(start.toString('latin1', 0, HEAD));
  return known ? Number(known[1]) : undefined;
}

function fillBlock(name: StreamName, index: number, block: Buffer): void {
  block.write(headOf(name, index), 0, 'latin1');
  const side = name.direction === 'up' ? 0x5000_0000 : 0;
  const random = new Random(seedOf(seedOf(name.seed, name.tunnel | side), index));
  if (!name.text) {
    for (let at = HEAD; at < BLOCK; at += 4) block.writeUInt32LE(random.word(), at);
    return;
  }
  let at = HEAD;
  while (at < BLOCK - 4) at += random.pick(CHARACTERS).copy(block, at);
  block.fill('.', at);
}

/** The bytes of a stream, from the first byte on, without an end. */
export class StreamSource {
  position = 0;
  readonly #name: StreamName;
  readonly #block = Buffer.allocUnsafeSlow(BLOCK);

  constructor(name: StreamName) {
    this.#name = name;
  }

  next(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length;) {
      const offset = this.position % BLOCK;
      if (offset === 0) fillBlock(this.#name, this.position / BLOCK, this.#block);
      const copied = this.#block.copy(bytes, at, offset);
      at += copied;
      this.position += copied;
    }
    return bytes;
  }
}

/** Compares arriving bytes with the expected ones. */
export class StreamCheck {
  readonly #source: StreamSource;
  readonly #name: StreamName;

  constructor(name: StreamName) {
    this.#name = name;
    this.#source = new StreamSource(name);
  }

  /** Number of correct bytes received so far. */
  get position(): number {
    return this.#source.position;
  }

  push(bytes: Buffer): void {
    const from = this.position;
    const expected = this.#source.next(bytes.length);
    if (expected.equals(bytes)) return;
    let wrong = 0;
    while (bytes[wrong] === expected[wrong]) wrong++;
    const strays =
      bytes
        .subarray(wrong)
        .toString('latin1')
        .match(/<[ud] \d{8} \d{9} [0-9a-f]{8}>/g) ?? [];
    const { tunnel, direction } = this.#name;
    const seen = strays.length > 0 ? `; blocks behind it: ${strays.slice(0, 4).join(' ')}` : '';
    throw new Error(
      `tunnel ${tunnel} ${direction}: byte ${from + wrong} is ${bytes[wrong]}, not ${expected[wrong]}${seen}`,
    );
  }
}

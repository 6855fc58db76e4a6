import type { Random } from '../../support/random.js';

const TEXTS = ['plain', 'é€🐘', '\u{10ffff}', '', 'a'.repeat(126)].map((text) => Buffer.from(text));
const LENGTHS = [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 128];

/** One frame of a client: mostly valid, sometimes with an invalid length, mask or opcode. */
function frameOf(random: Random, opcode: number, final: boolean, payload: Buffer): Buffer {
  const { length } = payload;
  const claimed = random.oneIn(60) ? random.pick([0, 1, 125, 126, 65_535, 65_536, 2 ** 31, 2 ** 53]) : length;
  // Form 0 is the shortest; 1 and 2 are longer, and invalid for short payloads.
  const least = claimed < 126 ? 0 : claimed < 65_536 ? 1 : 2;
  const form = random.oneIn(80) ? random.between(least, 2) : least;
  const masked = !random.oneIn(200);
  const header = Buffer.alloc(2 + [0, 2, 8][form]! + (masked ? 4 : 0));
  header[0] = (final ? 0x80 : 0) | (random.oneIn(150) ? random.between(1, 7) << 4 : 0) | opcode;
  header[1] = (masked ? 0x80 : 0) | [claimed, 126, 127][form]!;
  if (form === 1) header.writeUInt16BE(Math.min(claimed, 65_535), 2);
  if (form === 2) header.writeBigUInt64BE(BigInt(claimed) | (random.oneIn(20) ? 1n << 63n : 0n), 2);
  if (!masked) return Buffer.concat([header, payload]);
  const mask = random.oneIn(10) ? Buffer.alloc(4) : random.bytes(4);
  mask.copy(header, header.length - 4);
  return Buffer.concat([header, payload.map((byte, at) => byte ^ mask[at & 3]!)]);
}

function payloadOf(random: Random, opcode: number, inText: boolean): Buffer {
  if (opcode === 8) return closePayload(random);
  const most = opcode >= 8 ? 125 : 300;
  if (inText && opcode < 8 && !random.oneIn(10)) return random.pick(TEXTS);
  const length = random.oneIn(6) ? random.pick(LENGTHS) : random.size(most);
  return random.bytes(opcode >= 8 && !random.oneIn(40) ? Math.min(length, 125) : length);
}

function closePayload(random: Random): Buffer {
  if (random.oneIn(4)) return random.bytes(random.size(4));
  const reason = random.oneIn(5) ? random.bytes(random.size(123)) : random.pick(TEXTS).subarray(0, 123);
  const code = Buffer.alloc(2);
  code.writeUInt16BE(
    random.oneIn(3) ? random.between(990, 5010) : random.pick([1000, 1001, 1011, 3000, 4999]),
  );
  return Buffer.concat([code, reason]);
}

/** A client's stream of some frames, mostly in a valid order. */
export function frameStream(random: Random): Buffer {
  const frames: Buffer[] = [];
  let open = false;
  let inText = false;
  for (let left = random.between(1, 6); left > 0; left--) {
    let opcode = random.pick([1, 2, 2, 9, 10, 1, 2, 9]);
    if (random.oneIn(12)) opcode = 8;
    else if (open && opcode < 8 && !random.oneIn(40)) opcode = 0;
    if (random.oneIn(120)) opcode = random.below(16);
    if (opcode === 1 || opcode === 2) inText = opcode === 1;
    const final = opcode >= 8 ? !random.oneIn(100) : !random.oneIn(3);
    if (opcode < 8) open = !final;
    frames.push(frameOf(random, opcode, final, payloadOf(random, opcode, inText)));
  }
  return mutate(random, Buffer.concat(frames));
}

/** Half of the streams stay unchanged; in the others a bit, a byte or a piece is changed, added or removed. */
export function mutate(random: Random, bytes: Buffer): Buffer {
  if (random.oneIn(2)) return bytes;
  let mutated = bytes;
  for (let left = random.between(1, 3); left > 0; left--) {
    const at = random.oneIn(3)
      ? random.below(Math.min(16, mutated.length + 1))
      : random.below(mutated.length + 1);
    const [before, after] = [mutated.subarray(0, at), mutated.subarray(at)];
    const kind = random.below(6);
    if (kind === 0)
      mutated = Buffer.from(mutated.map((byte, i) => (i === at ? byte ^ (1 << random.below(8)) : byte)));
    else if (kind === 1) mutated = Buffer.concat([before, random.bytes(random.between(1, 4)), after]);
    else if (kind === 2) mutated = Buffer.concat([before, after.subarray(random.between(1, 4))]);
    else if (kind === 3) mutated = Buffer.concat([before, after.subarray(0, random.between(1, 40)), after]);
    else if (kind === 4) mutated = before;
    else mutated = Buffer.concat([after, before]);
  }
  return mutated;
}

/** Cuts a stream anywhere. */
export function cutRandomly(random: Random, bytes: Buffer): Buffer[] {
  if (random.oneIn(8)) return [...bytes].map((byte) => Buffer.from([byte]));
  const pieces: Buffer[] = [];
  const most = random.pick([3, 20, 200, 2000]);
  for (let at = 0; at < bytes.length;) {
    const size = random.between(1, most);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

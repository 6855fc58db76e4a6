import { FrameFollower, type Sender } from '../../src/frames/frame-follower.js';
import type { Ending } from '../../src/streams/close-causes.js';

/** The result of following a stream. */
export interface Followed {
  /** The bytes that pass. */
  readonly passed: Buffer;
  readonly payload: number;
  readonly missing: number;
  readonly closed: FrameFollower['closed'];
  readonly failure: Ending | undefined;
}

/** Follows the chunks in order. A chunk that changes is an error. */
export function followAll(
  from: Sender,
  chunks: readonly Uint8Array[],
  { removesPong = () => false, removesClose = () => false, hasExtensions = false }: Partial<Rules> = {},
): Followed {
  const follower = new FrameFollower(from, hasExtensions, {
    removesPong: (_from, payload) => removesPong(payload),
    removesClose,
  });
  const parts = chunks.map((chunk) => {
    const own = Buffer.from(chunk);
    const rest = follower.follow(own);
    const passed = Buffer.concat([follower.front, rest]);
    if (!own.equals(chunk)) throw new Error('the follower changed a chunk');
    return passed;
  });
  const { payload, missing, closed, failure } = follower;
  return { passed: Buffer.concat(parts), payload, missing, closed, failure };
}

interface Rules {
  readonly removesPong: (payload: Buffer) => boolean;
  readonly removesClose: () => boolean;
  readonly hasExtensions: boolean;
}

/** The ends of the frames in valid bytes, and the bytes missing at the end: a second, simple implementation. */
export function framesIn(bytes: Buffer): { ends: number[]; opcodes: number[]; missing: number } {
  const ends = [0];
  const opcodes: number[] = [];
  let at = 0;
  while (at < bytes.length) {
    const second = bytes[at + 1]!;
    opcodes.push(bytes[at]! & 15);
    const short = second & 127;
    const [size, length] =
      short === 127
        ? [10, Number(bytes.readBigUInt64BE(at + 2))]
        : short === 126
          ? [4, bytes.readUInt16BE(at + 2)]
          : [2, short];
    at += size + (second & 128 ? 4 : 0) + length;
    ends.push(at);
  }
  return { ends, opcodes, missing: at - bytes.length };
}

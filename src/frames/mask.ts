import { simd } from './simd.js';

/** Below this number of bytes, copying in and out costs more time than the module saves. */
export const WORTHWHILE = 256;

/**
 * Moves `length` bytes from `from` to `to` within `bytes`, and unmasks the bytes on the way (RFC 6455 section 5.3). `to` is never
 * greater than `from`, so source and target may overlap. `key` is read little-endian; `phase` is the number of earlier bytes of
 * the same payload.
 */
export function unmaskInto(
  bytes: Buffer,
  view: DataView,
  to: number,
  from: number,
  length: number,
  key: number,
  phase: number,
): void {
  if (key === 0) {
    if (to !== from) bytes.copyWithin(to, from, from + length);
    return;
  }
  // The key is little-endian, as most machines are. The rotated key begins with the byte for the next byte of the payload.
  const turn = (phase & 3) * 8;
  const turned = turn === 0 ? key | 0 : (key >>> turn) | (key << (32 - turn));
  if (simd && length >= WORTHWHILE) {
    simd.unmask(bytes, to, from, length, turned);
    return;
  }
  const words = length & ~3;
  for (let at = 0; at < words; at += 4) {
    view.setInt32(to + at, view.getInt32(from + at, true) ^ turned, true);
  }
  for (let at = words; at < length; at++) {
    bytes[to + at] = (bytes[from + at] ?? 0) ^ ((turned >>> ((at & 3) * 8)) & 0xff);
  }
}

import { randomFillSync } from 'node:crypto';

// One call of `crypto` for a thousand frames.
const keys = new Int32Array(1024);
let used = keys.length;

/** The key of the next frame: fresh and unpredictable (RFC 6455 sections 5.3 and 10.3). */
export function nextMaskKey(): number {
  if (used === keys.length) {
    randomFillSync(keys);
    used = 0;
  }
  return keys[used++] ?? 0;
}

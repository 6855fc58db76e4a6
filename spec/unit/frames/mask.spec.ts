import { expect, test } from 'vitest';
import { unmaskInto } from '../../../src/frames/mask.js';

const source = Buffer.from(Array.from({ length: 64 }, (_, i) => i * 37 + 11));

/** The literal algorithm of RFC 6455 section 5.3. */
function unmask(from: number, length: number, key: Buffer, phase: number): Buffer {
  return Buffer.from(source.subarray(from, from + length).map((byte, i) => byte ^ key[(i + phase) % 4]!));
}

function check(to: number, from: number, length: number, key: Buffer, phase: number): void {
  const bytes = Buffer.from(source);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  unmaskInto(bytes, view, to, from, length, key.readInt32LE(), phase);
  const expected = Buffer.from(source);
  unmask(from, length, key, phase).copy(expected, to);
  expect(bytes.equals(expected), `${length} bytes from ${from} to ${to}, phase ${phase}`).toBe(true);
}

test.each([
  ['ordinary', [0x11, 0x22, 0x33, 0x44]],
  ['with high bits', [0xff, 0x80, 0x7f, 0x81]],
  ['half zero', [0, 0, 0, 1]],
  ['zero', [0, 0, 0, 0]],
])('masks every phase, length and offset, with a key that is %s', (_, key) => {
  for (let phase = 0; phase < 4; phase++)
    for (let length = 0; length <= 21; length++)
      for (let distance = 0; distance <= 17; distance++)
        check(2, 2 + distance, length, Buffer.from(key), phase);
});

test('leaves bytes before and after the payload unchanged', () => {
  const bytes = Buffer.alloc(12, 0x55);
  unmaskInto(bytes, new DataView(bytes.buffer, bytes.byteOffset, 12), 4, 5, 5, 0x01020304, 0);
  expect([...bytes.subarray(0, 4)]).toEqual([0x55, 0x55, 0x55, 0x55]);
  expect([...bytes.subarray(9)]).toEqual([0x55, 0x55, 0x55]);
});

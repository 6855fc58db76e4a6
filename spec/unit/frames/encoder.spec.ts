import { expect, test } from 'vitest';
import { closeFrame, controlFrame, frameHeader } from '../../../src/frames/encoder.js';

test.each([
  [0, '8200'],
  [1, '8201'],
  [125, '827d'],
  [126, '827e007e'],
  [256, '827e0100'],
  [65535, '827effff'],
  [65536, '827f0000000000010000'],
  [2 ** 31, '827f0000000080000000'],
  [2 ** 32 - 1, '827f00000000ffffffff'],
  [2 ** 32, '827f0000000100000000'],
  [2 ** 40 + 7, '827f0000010000000007'],
  [Number.MAX_SAFE_INTEGER, '827f001fffffffffffff'],
])('the header of %d bytes is final, unmasked and as short as possible', (length, header) => {
  expect(frameHeader(2, length).toString('hex')).toBe(header);
});

test('the opcode is that of the message type', () => {
  expect(frameHeader(1, 5).toString('hex')).toBe('8105');
});

test('a control frame has a header of two bytes', () => {
  expect(controlFrame(10, Buffer.from('abc')).toString('hex')).toBe('8a03616263');
  expect(controlFrame(9, new Uint8Array()).toString('hex')).toBe('8900');
  expect(controlFrame(9, Buffer.alloc(125)).length).toBe(127);
});

test('a Close contains code and reason', () => {
  expect(closeFrame(1000, '').toString('hex')).toBe('880203e8');
  expect(closeFrame(4999, 'ß').toString('hex')).toBe('88041387c39f');
});

test('a Close without a code is empty', () => {
  expect(closeFrame(1005, 'never sent').toString('hex')).toBe('8800');
});

test('a Close with a long reason is cut to fit', () => {
  const frame = closeFrame(1001, '€'.repeat(100));
  expect(frame.length).toBe(2 + 125);
  expect(frame.toString('utf8', 4)).toBe('€'.repeat(41));
});

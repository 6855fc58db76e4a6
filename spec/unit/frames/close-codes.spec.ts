import { isUtf8 } from 'node:buffer';
import { expect, test } from 'vitest';
import { fitReason, isSendable } from '../../../src/frames/close-codes.js';

test('a Close frame may contain registered codes, and 3000 to 4999', () => {
  const sendable = Array.from({ length: 65536 }, (_, code) => code).filter(isSendable);
  const registered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
  expect(sendable.slice(0, 12)).toEqual(registered);
  expect(sendable.slice(12)).toEqual(Array.from({ length: 2000 }, (_, i) => 3000 + i));
});

test.each(['', 'bye', 'x'.repeat(123), 'é'.repeat(61), '🐘'.repeat(30) + 'abc'])(
  'a reason that fits is kept: %s',
  (reason) => {
    expect(fitReason(reason)).toBe(reason);
  },
);

test.each(['x', 'é', '€', '🐘'])(
  'a reason of many %s is cut between characters, as late as possible',
  (character) => {
    for (let lead = 0; lead < 4; lead++) {
      const reason = 'a'.repeat(lead) + character.repeat(200);
      const cut = Buffer.from(fitReason(reason));
      expect(isUtf8(cut)).toBe(true);
      expect(reason.startsWith(cut.toString())).toBe(true);
      expect(cut.length).toBeLessThanOrEqual(123);
      expect(cut.length + Buffer.byteLength(character)).toBeGreaterThan(123);
    }
  },
);

import { expect, test } from 'vitest';
import { bytes, tunnels } from '../../../src/command/output/units.js';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [99_949, '99.9 kB'],
  [123_456, '123 kB'],
  [1_500_000, '1.5 MB'],
  [2e9, '2.0 GB'],
  [5e15, '5000 TB'],
])('%d bytes', (amount, text) => expect(bytes(amount)).toBe(text));

test('one and several', () => expect([0, 1, 2].map(tunnels)).toEqual(['0 tunnels', '1 tunnel', '2 tunnels']));

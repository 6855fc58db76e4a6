import { expect, test } from 'vitest';
import { Totals } from '../../../src/observe/totals.js';

test('tunnels are counted by code, and bytes are summed', () => {
  const totals = new Totals();
  expect(totals.snapshot()).toEqual({ opened: 0, refused: {}, closed: {}, bytesIn: 0, bytesOut: 0 });
  totals.opened += 2;
  totals.refused('A');
  totals.refused('B');
  totals.refused('A');
  totals.closed(1000, 1, 10);
  totals.closed(1006, 2, 20);
  const before = totals.snapshot();
  totals.closed(1000, 3, 30);
  expect(before).toMatchObject({ closed: { 1000: 1, 1006: 1 }, bytesIn: 3, bytesOut: 30 });
  expect(totals.snapshot()).toEqual({
    opened: 2,
    refused: { A: 2, B: 1 },
    closed: { 1000: 2, 1006: 1 },
    bytesIn: 6,
    bytesOut: 60,
  });
});

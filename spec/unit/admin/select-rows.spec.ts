import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readQuery } from '../../../src/admin/query.js';
import { firstRows, orderOf } from '../../../src/admin/select-rows.js';

interface Row {
  id: string;
  since: number;
  user?: string;
  queued: number;
}

const row = fc.record(
  { id: fc.uuid(), since: fc.nat(5), user: fc.constantFrom('a', 'b', 'B'), queued: fc.nat(3) },
  { requiredKeys: ['id', 'since', 'queued'] },
) as fc.Arbitrary<Row>;

describe('firstRows', () => {
  test('returns the first rows of the sorted list, for every order and limit', () => {
    const query = fc.constantFrom('', 'order=asc', 'sort=user', 'sort=user&order=desc', 'sort=queued');
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 60 }),
        fc.nat(70),
        query,
        fc.boolean(),
        (rows, most, text, fromEnd) => {
          const order = orderOf<Row>(readQuery(text));
          expect(firstRows(rows, most, order, fromEnd)).toEqual([...rows].sort(order).slice(0, most));
        },
      ),
    );
  });

  test('compares most rows once', () => {
    const rows = Array.from({ length: 9000 }, (_, index) => ({
      id: String(index),
      since: 0,
      queued: -index,
    }));
    let compared = 0;
    const order = orderOf<Row>(readQuery('sort=queued'));
    firstRows(rows, 200, (a, b) => {
      compared++;
      return order(a, b);
    });
    expect(compared).toBeLessThan(15_000);
  });

  test('compares most rows once if the better rows are near the end, from which they are looked for', () => {
    const rows = Array.from({ length: 9000 }, (_, index) => ({ id: String(index), since: index, queued: 0 }));
    let compared = 0;
    const order = orderOf<Row>(readQuery(''));
    const counting = (a: Row, b: Row) => {
      compared++;
      return order(a, b);
    };
    expect(firstRows(rows, 200, counting, true)[0]).toBe(rows.at(-1));
    expect(compared).toBeLessThan(15_000);
  });
});

describe('orderOf', () => {
  const rows: Row[] = [
    { id: '1', since: 3, queued: 0 },
    { id: '2', since: 2, user: 'ann', queued: 0 },
    { id: '3', since: 1, user: 'bob', queued: 0 },
  ];
  const ids = (text: string) => firstRows(rows, 9, orderOf<Row>(readQuery(text))).map(({ id }) => id);

  test.each([
    ['', ['1', '2', '3']],
    ['order=asc', ['3', '2', '1']],
    ['sort=user', ['2', '3', '1']],
    ['sort=user&order=desc', ['3', '2', '1']],
    ['sort=queued', ['1', '2', '3']],
  ])('sorts by "%s", and tunnels without a value come last', (text, sorted) => {
    expect(ids(text)).toEqual(sorted);
  });
});

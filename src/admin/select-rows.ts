import type { AdminTunnel } from './admin-state.js';
import type { AdminQuery } from './query.js';

type Row = Pick<AdminTunnel, 'id' | 'since'>;
type Value = string | number | undefined;

/** Negative if `a` comes before `b`. */
type Compare<R> = (a: R, b: R) => number;

/** The order of a query. Rows without a value come last in both directions; equal rows are sorted by time, then by id. */
export function orderOf<R extends Row>({ sort, order }: AdminQuery): Compare<R> {
  const sign = order === 'asc' ? 1 : -1;
  if (sort === 'since') return (a, b) => byTime(a, b, sign);
  const value = (row: R) => (row as Partial<Record<string, Value>>)[sort];
  return (a, b) => {
    const [one, other] = [value(a), value(b)];
    if (one !== other) {
      if (one === undefined) return 1;
      if (other === undefined) return -1;
      return one < other ? -sign : sign;
    }
    return byTime(a, b, sign);
  };
}

function byTime(a: Row, b: Row, sign: number): number {
  if (a.since !== b.since) return (a.since - b.since) * sign;
  return a.id < b.id ? -1 : 1;
}

/**
 * The first `most` rows in this order. Keeps the best rows in a heap with the worst one on top: most of thousands of rows need one
 * comparison, and no sort. `fromEnd`: the better rows are probably near the end of the list, as the newest tunnels are.
 */
export function firstRows<R>(rows: readonly R[], most: number, compare: Compare<R>, fromEnd = false): R[] {
  const heap: R[] = [];
  if (most === 0) return heap;
  for (let count = 0; count < rows.length; count++) {
    const row = rows[fromEnd ? rows.length - 1 - count : count] as R;
    if (heap.length < most) {
      heap.push(row);
      rise(heap, heap.length - 1, compare);
    } else if (compare(row, heap[0] as R) < 0) {
      heap[0] = row;
      sink(heap, compare);
    }
  }
  return heap.sort(compare);
}

function rise<R>(heap: R[], from: number, compare: Compare<R>): void {
  const row = heap[from] as R;
  let at = from;
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above] as R;
    if (compare(row, parent) <= 0) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = row;
}

function sink<R>(heap: R[], compare: Compare<R>): void {
  const row = heap[0] as R;
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    if (below >= heap.length) break;
    if (below + 1 < heap.length && compare(heap[below + 1] as R, heap[below] as R) > 0) below++;
    const child = heap[below] as R;
    if (compare(child, row) <= 0) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = row;
}

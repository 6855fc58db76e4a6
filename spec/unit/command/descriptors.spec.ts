import { expect, test } from 'vitest';
import { defaultMaxConnections } from '../../../src/command/listen/server/connection-limit.js';

test.each([
  [1024, 480],
  [4096, 2016],
  [20_064, 10_000],
  [1_048_576, 10_000],
  [Infinity, 10_000],
  [66, 1],
  [10, 1],
])('issue 12, case 18: with %d descriptors the default limit is %d connections', (limit, connections) => {
  expect(defaultMaxConnections(limit)).toBe(connections);
});

test('issue 12, case 18: the descriptor limit of this process is read', () => {
  const cap = defaultMaxConnections();
  expect(cap).toBeGreaterThan(1);
  expect(cap).toBeLessThanOrEqual(10_000);
});

import { expect, test } from 'vitest';
import { RecentEnds } from '../../../src/guard/recent-ends.js';
import type { TunnelInfo } from '../../../src/types.js';

test('an old call of another process, which arrives late, brings no request back that a forgotten call may concern', () => {
  const ends = new RecentEnds(60);
  const start = performance.now() - 1000;
  for (let count = 0; count <= 1000; count++) ends.add(() => false, '', true, start + 500 + count / 10);
  const tunnel = { user: 'ann' } as TunnelInfo;
  expect(ends.refusalOf(tunnel, start + 499)).toMatchObject({ status: 503 });
  ends.add(() => false, '', true, start);
  expect(ends.refusalOf(tunnel, start + 499)).toMatchObject({ status: 503 });
});

import { expect, test } from 'vitest';
import { RefusalList } from '../../../src/admin/refusal-list.js';

const refusal = (id: number, more = {}) => ({
  id: String(id),
  url: `/${id}`,
  address: '::1',
  status: 403,
  code: 'WSTUNNEL_ORIGIN_REFUSED',
  reason: 'no',
  ...more,
});

test('a list keeps no refusal before keep()', () => {
  const list = new RefusalList();
  list.add(refusal(1));
  list.keep();
  list.add(refusal(2));
  list.keep();
  expect(list.newestFirst()).toMatchObject([{ url: '/2' }]);
});

test('a list keeps the latest hundred refusals, newest first', () => {
  const list = new RefusalList();
  list.keep();
  for (let id = 0; id < 250; id++) list.add(refusal(id));
  const urls = list.newestFirst().map(({ url }) => url);
  expect(urls).toEqual(Array.from({ length: 100 }, (_, index) => `/${249 - index}`));
});

test('long texts of the client are cut, and no half of a surrogate pair is left', () => {
  const list = new RefusalList();
  list.keep();
  list.add(refusal(1, { url: `/${'x'.repeat(20_000)}`, user: '😀'.repeat(5000), reason: 'r'.repeat(5000) }));
  const [kept] = list.newestFirst();
  expect([kept?.url.length, kept?.user?.length, kept?.reason.length]).toEqual([1000, 999, 1000]);
  expect(kept?.user?.isWellFormed()).toBe(true);
  expect(kept?.url.endsWith('…')).toBe(true);
});

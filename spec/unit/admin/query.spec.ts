import { describe, expect, test } from 'vitest';
import { isQuery, keyOfQuery, readQuery } from '../../../src/admin/query.js';

describe('readQuery', () => {
  test('shows the newest 200 tunnels by default', () => {
    expect(readQuery('')).toEqual({ q: '', sort: 'since', order: 'desc', limit: 200 });
  });

  test.each([
    ['sort=user', { order: 'asc' }],
    ['sort=queued', { order: 'desc' }],
    ['sort=user&order=desc&limit=1000', { sort: 'user', order: 'desc', limit: 1000 }],
    ['q=ANN%20%26&limit=0&other=1', { q: 'ann &', limit: 0 }],
  ])('reads %s', (text, query) => {
    expect(readQuery(text)).toMatchObject(query);
  });

  test.each([
    ['sort=id', 'sort must be one of since, user'],
    ['sort=__proto__', 'sort must be one of'],
    ['sort=constructor', 'sort must be one of'],
    ['order=up', 'order must be asc or desc'],
    ['limit=1001', 'limit must be a number from 0 to 1000'],
    ['limit=-1', 'limit must be'],
    ['limit=1e2', 'limit must be'],
    ['limit=', 'limit must be'],
    [`q=${'x'.repeat(201)}`, 'q must have at most 200 characters'],
    ['q=a&q=b', 'give q only once'],
  ])('refuses %s', (text, message) => {
    expect(() => readQuery(text)).toThrow(message);
  });
});

describe('isQuery', () => {
  test('accepts each query that readQuery returns', () => {
    for (const text of ['', 'sort=replica&q=%C4%B0'.padEnd(200, '%C4%B0'), 'limit=1000'])
      expect(isQuery(JSON.parse(JSON.stringify(readQuery(text))))).toBe(true);
  });

  test.each([undefined, null, 1, {}, { q: '', sort: 'id', order: 'asc', limit: 1 }, { q: '', sort: 'user', order: 'asc', limit: 5000 }, { q: 'x'.repeat(1000), sort: 'user', order: 'asc', limit: 1 }])(
    'refuses %j of another process',
    (value) => {
      expect(isQuery(value)).toBe(false);
    },
  );
});

test('queries with different texts have different keys', () => {
  const keys = ['q=a', 'q=a%22%2C', 'sort=user', 'sort=user&order=desc', 'limit=3', 'limit=30'];
  expect(new Set(keys.map((text) => keyOfQuery(readQuery(text)))).size).toBe(keys.length);
});

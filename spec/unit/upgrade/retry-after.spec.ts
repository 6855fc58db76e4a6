import { describe, expect, test } from 'vitest';
import { retryAfterOf } from '../../../src/upgrade/check/retry-after.js';

const header = (value: string, name = 'Retry-After') =>
  Buffer.from(
    `HTTP/1.1 429 Too Many Requests\r\nDate: x\r\n${name}: ${value}\r\nContent-Length: 0\r\n\r\nbody`,
  );

describe('Retry-After', () => {
  test.each([
    ['120', 120],
    [' 7 ', 7],
    ['0', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['', undefined],
    ['Infinity', undefined],
    ['9'.repeat(400), undefined],
    ['Wed, 21 Oct 2015 07:28:00 GMT', undefined],
  ])('of %j is %s seconds', (value, seconds) => {
    expect(retryAfterOf(header(value))).toBe(seconds);
  });

  test('may be a date', () => {
    const seconds = retryAfterOf(header(new Date(Date.now() + 60_000).toUTCString()));
    expect(seconds).toBeGreaterThan(55);
    expect(seconds).toBeLessThanOrEqual(60);
  });

  test('is found in any case, and never in the body', () => {
    expect(retryAfterOf(header('5', 'retry-after'))).toBe(5);
    expect(
      retryAfterOf(Buffer.from('HTTP/1.1 503 x\r\nA: b\r\n\r\n\r\nRetry-After: 5\r\n\r\n')),
    ).toBeUndefined();
    expect(retryAfterOf(Buffer.from('HTTP/1.1 503 x\r\nX-Retry-After: 5\r\n\r\n'))).toBeUndefined();
    expect(retryAfterOf(Buffer.alloc(0))).toBeUndefined();
  });
});

import { describe, expect, test } from 'vitest';
import { rawHeadersOf, withCookies, type KeptRequest } from '../../../src/upgrade/kept-request.js';

const kept = (...headers: string[]) =>
  ({ url: '/', headers: headers.join('\n'), upgrade: true }) as KeptRequest;

test.each([
  [[], ['X-A: Set-Cookie: a=1'], []],
  [['Cookie', 'a=1; b=2'], [], ['Cookie', 'a=1; b=2']],
  [
    ['Host', 'h', 'cookie', 'a=1; b=2'],
    ['Set-Cookie: a=3; Path=/; HttpOnly'],
    ['Host', 'h', 'Cookie', 'b=2; a=3'],
  ],
  [['Host', 'h'], ['set-cookie: s=x%20y'], ['Host', 'h', 'Cookie', 's=x%20y']],
  [['Cookie', 'a=1', 'Cookie', 'b=2'], ['Set-Cookie: c=3'], ['Cookie', 'a=1; b=2; c=3']],
  [['Cookie', 'a=1'], ['Set-Cookie: a=; Max-Age=0'], []],
  [
    ['Cookie', 'a=1; b=2'],
    ['Set-Cookie: a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT'],
    ['Cookie', 'b=2'],
  ],
  [['Cookie', 'ab=1'], ['Set-Cookie: a=2'], ['Cookie', 'ab=1; a=2']],
])('the headers %j and the response lines %j give %j', (headers, lines, expected) => {
  expect(rawHeadersOf(withCookies(kept(...headers), lines))).toEqual(expected);
});

describe('of several cookies with one name', () => {
  const deletion = (attributes: string) =>
    `Set-Cookie: sid=; ${attributes}; Expires=Thu, 01 Jan 1970 00:00:00 GMT`;

  test.each([
    ['/old', '/tunnel', 'sid=1'],
    ['/tun', '/tunnel', 'sid=1'],
    ['/tunnel/x', '/tunnel', 'sid=1'],
    ['/tunnel', '/tunnel?path=/old', undefined],
    ['/tunnel/', '/tunnel/a', undefined],
    ['/tunnel', 'http://host/tunnel/a', undefined],
    ['/', 'http://host', undefined],
  ])('a deletion at the path %s leaves the request of %s the cookie %s', (path, url, cookie) => {
    const request = { ...kept('Cookie', 'sid=1'), url };
    const [, left] = rawHeadersOf(withCookies(request, [deletion(`Path=${path}`)]));
    expect(left).toBe(cookie);
  });

  test('one that is set stays when another is deleted afterwards', () => {
    const lines = ['Set-Cookie: sid=2; Path=/', deletion('Path=/; Domain=example.com')];
    expect(rawHeadersOf(withCookies(kept('Cookie', 'sid=1'), lines))).toEqual(['Cookie', 'sid=2']);
  });

  test('the last line about the same cookie counts', () => {
    const lines = ['Set-Cookie: sid=2; Path=/', deletion('Path=/')];
    expect(rawHeadersOf(withCookies(kept('Cookie', 'sid=1'), lines))).toEqual([]);
  });
});

import { expect, test } from 'vitest';
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

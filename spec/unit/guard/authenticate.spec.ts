import { describe, expect, test } from 'vitest';
import { TunnelError } from '../../../src/errors.js';
import { checkAuthResult } from '../../../src/guard/authenticate.js';
import type { AuthResult } from '../../../src/index.js';

function refusalOf(result: unknown): TunnelError | undefined {
  try {
    checkAuthResult(result as AuthResult);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(TunnelError);
    return error as TunnelError;
  }
}

test('only true admits the request', () => {
  expect(refusalOf(true)).toBeUndefined();
  for (const result of [false, undefined, null, 1, 'true', 0, '', Symbol('true'), () => true])
    expect(refusalOf(result), String(result)).toMatchObject({
      code: 'WSTUNNEL_NOT_AUTHENTICATED',
      status: 401,
    });
});

test("an object is the refusal's answer", () => {
  const headers = { 'Retry-After': '60', 'WWW-Authenticate': 'Basic realm="desk"' };
  expect(refusalOf({ status: 429, headers, body: 'slow down' })).toMatchObject({
    ...{ code: 'WSTUNNEL_NOT_AUTHENTICATED', status: 429, closeCode: 4429, headers, body: 'slow down' },
  });
  expect(refusalOf({ status: 403 })?.body).toBe('you may not open this tunnel\n');
  expect(refusalOf({ status: 403, body: '' })?.body).toBe('');
});

describe('any other result is a fault of the hook', () => {
  test.each([
    ...[
      {},
      [],
      { status: 200 },
      { status: 399 },
      { status: 600 },
      { status: 401.5 },
      { status: '401' },
      { status: NaN },
    ],
    ...[
      { status: 403, headers: { 'X\r\nY': 'z' } },
      { status: 403, headers: { X: 'a\r\nSet-Cookie: b' } },
    ],
    ...[
      { status: 403, headers: { X: undefined } },
      { status: 403, headers: { '': 'a' } },
    ],
    ...[
      { status: 403, body: 7 },
      { status: 403, body: { html: '' } },
      { status: 403, body: null },
    ],
  ])('%o', (result) => {
    const refusal = refusalOf(result);
    expect(refusal).toMatchObject({ code: 'WSTUNNEL_HOOK_FAILED', status: 500, headers: {} });
    expect(refusal?.body).toBe('The tunnel could not be opened.\n');
  });
});

import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { messageOf, TunnelError } from '../../src/errors.js';

test('each code has a status and a close code', () => {
  const known = (code: TunnelError['code']) => {
    const { status, closeCode, expose } = new TunnelError(code, 'why');
    return [status, closeCode, expose];
  };
  expect(known('WSTUNNEL_OPTION')).toEqual([500, 1011, false]);
  expect(known('WSTUNNEL_BAD_HANDSHAKE')).toEqual([400, 4400, true]);
  expect(known('WSTUNNEL_ORIGIN_MISSING')).toEqual([400, 4400, true]);
  expect(known('WSTUNNEL_NOT_AUTHENTICATED')).toEqual([401, 4401, true]);
  expect(known('WSTUNNEL_ORIGIN_REFUSED')).toEqual([403, 4403, true]);
  expect(known('WSTUNNEL_ADDRESS_REFUSED')).toEqual([403, 4403, true]);
  expect(known('WSTUNNEL_NO_TARGET')).toEqual([404, 4404, true]);
  expect(known('WSTUNNEL_WRONG_VERSION')).toEqual([426, 4426, true]);
  expect(known('WSTUNNEL_HOOK_FAILED')).toEqual([500, 4500, false]);
  expect(known('WSTUNNEL_BACKEND_REFUSED')).toEqual([502, 4502, true]);
  expect(known('WSTUNNEL_BACKEND_ANSWERED')).toEqual([502, 4502, true]);
  expect(known('WSTUNNEL_NO_BACKEND')).toEqual([503, 4503, true]);
  expect(known('WSTUNNEL_DRAINING')).toEqual([503, 4503, true]);
  expect(known('WSTUNNEL_BACKEND_TIMEOUT')).toEqual([504, 4504, true]);
  expect(known('WSTUNNEL_HANDSHAKE_TIMEOUT')).toEqual([504, 4504, true]);
});

test('a refusal can carry a status, headers and a body', () => {
  const cause = new Error('inner');
  const headers = { 'Retry-After': '5' };
  const error = new TunnelError('WSTUNNEL_NOT_AUTHENTICATED', 'why', {
    status: 429,
    headers,
    body: 'x',
    cause,
  });
  expect(error).toMatchObject({
    name: 'TunnelError',
    message: 'why',
    status: 429,
    closeCode: 4429,
    headers,
    body: 'x',
    cause,
  });
  expect(error).toBeInstanceOf(Error);
});

test('a message that is not for clients is not in the body', () => {
  expect(new TunnelError('WSTUNNEL_NO_TARGET', 'no such tunnel').body).toBe('no such tunnel\n');
  expect(new TunnelError('WSTUNNEL_HOOK_FAILED', 'secret').body).toBe('The tunnel could not be opened.\n');
  expect(new TunnelError('WSTUNNEL_HOOK_FAILED', 'x')).not.toHaveProperty('cause');
});

test('anything can be thrown', () => {
  expect(messageOf(new Error('why'))).toBe('why');
  expect(messageOf('why')).toBe('why');
  expect(messageOf(undefined)).toBe('undefined');
  expect(messageOf(Symbol('why'))).toBe('Symbol(why)');
  expect(messageOf(Object.create(null))).toBe('a value without a text form');
});

test('an error about an option is printed with its code and no answer to a request', () => {
  const printed = inspect(new TunnelError('WSTUNNEL_OPTION', 'why'));
  expect(printed).toMatch(/\{\s+code: 'WSTUNNEL_OPTION'\s+\}$/);
  expect(inspect(new TunnelError('WSTUNNEL_NO_TARGET', 'why'))).toContain('status: 404');
});

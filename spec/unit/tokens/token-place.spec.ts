import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { tokenFault, tokenOf, type TokenPlace } from '../../../src/tokens/token-place.js';

const tokenIn = (place: TokenPlace, { url = '/', ...headers }: Record<string, string>, name = 'token') =>
  tokenOf({ url, headers } as unknown as IncomingMessage, place, name);

describe('the token of a request', () => {
  test.each<[TokenPlace, Record<string, string>, string | undefined]>([
    ['query', { url: '/x?a=b&token=abc' }, 'abc'],
    ['query', { url: '/x?token=a%2Fb+c' }, 'a/b c'],
    // As in websockify, the first of several.
    ['query', { url: '/?token=a&token=b' }, 'a'],
    ['query', { url: '/?token=' }, ''],
    ['query', { url: '/token?tokens=a' }, undefined],
    ['cookie', { cookie: 'a=b; token=abc; token=d' }, 'abc'],
    ['cookie', { cookie: 'token="a%20b"' }, 'a b'],
    ['cookie', { cookie: 'xtoken=a; token.x=b' }, undefined],
    ['cookie', { cookie: 'token=%E0%A4%A' }, undefined],
    ['cookie', {}, undefined],
    ['path', { url: '/vnc/abc?token=d' }, 'abc'],
    ['path', { url: '/a%2Fb' }, 'a/b'],
    ['path', { url: '/%2e%2e' }, '..'],
    ['path', { url: '/abc/' }, ''],
    ['path', { url: '/%zz' }, undefined],
    ['host', { host: 'Desk-1.vnc.example:8080' }, 'desk-1'],
    ['host', { host: 'desk.lan' }, 'desk'],
    ...['127.0.0.1:8080', 'localhost', 'localhost:80', '[::1]:80', '', 'a..b:x', '.lan'].map(
      (host): [TokenPlace, Record<string, string>, undefined] => ['host', { host }, undefined],
    ),
    ['subprotocol', { 'sec-websocket-protocol': 'binary,token.a.b , token.c' }, 'a.b'],
    ['subprotocol', { 'sec-websocket-protocol': 'binary' }, undefined],
    ['subprotocol', {}, undefined],
  ])('from %s of %j is %j', (place, request, token) => {
    expect(tokenIn(place, request)).toBe(token);
  });

  test('from host is that of a trusted proxy, as Express sees it', () => {
    const req = { url: '/', headers: { host: 'proxy.lan' }, hostname: 'desk.example' };
    expect(tokenOf(req as unknown as IncomingMessage, 'host', 'token')).toBe('desk');
  });

  test('has the name of the option', () => {
    expect(tokenIn('query', { url: '/?token=a&__proto__=b' }, '__proto__')).toBe('b');
    expect(tokenIn('cookie', { cookie: 'constructor=b' }, 'constructor')).toBe('b');
    expect(tokenIn('subprotocol', { 'sec-websocket-protocol': 'key.b' }, 'key')).toBe('b');
  });
});

describe('issue 18: a text that no source gets', () => {
  test.each([
    ['', /empty/],
    ['a'.repeat(10_240), /more than 8192 characters/],
    ['a\0b', /control characters/],
    ['a\nb', /control characters/],
    ['\ud800', /control characters/],
  ])('%j', (token, fault) => {
    expect(tokenFault(token)).toMatch(fault);
  });

  test.each(['a', '..', '__proto__', 'ünï/😀', 'a'.repeat(8192)])('unlike %j', (token) => {
    expect(tokenFault(token)).toBeUndefined();
  });
});

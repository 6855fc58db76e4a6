import { describe, expect, test } from 'vitest';
import { checkData } from '../../../src/options/checks/data.js';

const check = (value: unknown) => () => checkData(value, 'target', 'for a test');

describe('checkData', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;

  test.each([
    ['texts and numbers', { a: 'b', c: [1, true, null, { d: undefined }] }],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 })],
    ['a key that is a name of Object', JSON.parse('{ "__proto__": { "a": 1 } }')],
  ])('accepts %s', (_name, value) => {
    expect(check(value)).not.toThrow();
  });

  test.each<[string, unknown, string]>([
    ['a function', { a: [() => 1] }, 'target.a[0] must be data, for a test; got [Function (anonymous)]'],
    ['a symbol', { a: Symbol('b') }, 'target.a must be data, for a test; got Symbol(b)'],
    ['a bigint', 1n, 'target must be data, for a test; got 1n'],
    ['NaN', { a: NaN }, 'target.a must be data, for a test; got NaN'],
    ['an instance of a class', { a: new Map() }, 'target.a must be data, for a test; got {  }'],
    ['bytes', { a: Buffer.from('secret') }, 'target.a must be text in place of bytes, for a test; got {'],
    ['an object that contains itself', cyclic, 'must be nested less than 10 levels deep, for a test'],
  ])('refuses %s', (_name, value, message) => {
    expect(check(value)).toThrow(message);
  });

  test('shows no secret', () => {
    expect(check({ a: Buffer.from('s') })).not.toThrow('115');
    expect(check({ key: { toJSON: () => 'secret' } })).not.toThrow('secret');
  });
});

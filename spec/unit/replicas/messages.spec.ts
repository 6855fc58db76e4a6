import { describe, expect, test } from 'vitest';
import { isFilter, readEndCall, readMessage, type Message } from '../../../src/replicas/messages.js';

const MESSAGES: Message[] = [
  { kind: 'end', from: 'a', id: '2-0', previous: '1-0', at: 5, text: '{}' },
  { kind: 'ask', from: 'a', question: 'q', about: 'tunnels', data: {} },
  { kind: 'answer', from: 'a', question: 'q', data: [1] },
  { kind: 'hosts', from: 'a', loads: { 'a:1': 2 }, down: { 'b:1': 0.5 } },
  { kind: 'hello', from: 'a' },
  { kind: 'emptied', from: 'a' },
  { kind: 'bye', from: 'a' },
];

describe('a message of another replica', () => {
  test.each(MESSAGES)('of the kind $kind is read as it was written', (message) => {
    expect(readMessage(JSON.stringify(message))).toEqual(message);
  });

  test('may have fields of a later version of the package', () => {
    const later = { kind: 'hello', from: 'a', mood: 'fine' };
    expect(readMessage(JSON.stringify(later))).toEqual(later);
  });

  test.each([
    ['', '{', 'null', '7', '[]', '"end"', '{}'],
    ['{"kind":"hello"}', '{"kind":"hello","from":7}', '{"from":"a"}', '{"kind":7,"from":"a"}'],
    ['{"kind":"later","from":"a"}', '{"kind":"toString","from":"a"}', '{"kind":"__proto__","from":"a"}'],
    ['{"kind":"end","from":"a","id":"1","previous":"0","text":"{}"}'],
    ['{"kind":"end","from":"a","id":1,"previous":"0","text":"{}","at":1}'],
    ['{"kind":"ask","from":"a","question":"q"}', '{"kind":"answer","from":"a","question":{}}'],
    ['{"kind":"hosts","from":"a"}', '{"kind":"hosts","from":"a","loads":{"x":"1"},"down":{}}'],
    ['{"kind":"hosts","from":"a","loads":{"x":1e999},"down":{}}'],
    [
      '{"kind":"hosts","from":"a","loads":[],"down":{}}',
      '{"kind":"hosts","from":"a","loads":{},"down":null}',
    ],
  ])('is dropped if it is not one of these kinds: %s', (...texts) => {
    for (const text of texts) expect(readMessage(text), text).toBeUndefined();
  });

  test.each(MESSAGES)('of the kind $kind is dropped without any one of its fields', (message) => {
    for (const name of Object.keys(message).filter((field) => field !== 'data'))
      expect(readMessage(JSON.stringify({ ...message, [name]: undefined })), name).toBeUndefined();
  });
});

describe('a call of end() in the store', () => {
  const call = { where: { user: 'ann' }, code: 1008, reason: 'logged out', from: 'a' };

  test('is read as it was written', () => {
    expect(readEndCall(JSON.stringify(call))).toEqual(call);
    expect(readEndCall(JSON.stringify({ ...call, where: {} }))).toEqual({ ...call, where: {} });
  });

  test('of a later version with a filter of an unknown field ends nothing, rather than too much', () => {
    expect(readEndCall(JSON.stringify({ ...call, where: { user: 'ann', group: 'x' } }))).toBeUndefined();
  });

  test.each(['where', 'code', 'reason', 'from'])('without %s is dropped', (name) => {
    expect(readEndCall(JSON.stringify({ ...call, [name]: undefined }))).toBeUndefined();
    expect(readEndCall(JSON.stringify({ ...call, [name]: null }))).toBeUndefined();
  });

  test.each(['', 'null', '[]', '{"where":[]}'])('that is not a call is dropped: %s', (text) => {
    expect(readEndCall(text)).toBeUndefined();
  });
});

test('a filter has known fields with texts only', () => {
  expect([{}, { id: '1', user: 'a', address: '::1', backend: 'b', tunnel: 't' }].every(isFilter)).toBe(true);
  for (const value of [null, undefined, 7, 'a', [], { user: 7 }, { user: null }, { name: 'a' }])
    expect(isFilter(value), JSON.stringify(value)).toBe(false);
});

import { expect, test } from 'vitest';
import type { TunnelError, TunnelOptions } from '../../../src/index.js';
import { everyErrorOf, faultOf } from '../../../src/options/checks/option-error.js';
import { readOptions } from '../../../src/options/read-tunnel.js';

function errorsOf(options: unknown): readonly TunnelError[] {
  try {
    readOptions(options as TunnelOptions);
  } catch (error) {
    return everyErrorOf(error as TunnelError);
  }
  return [];
}

test.each<[unknown, string, (string | number)[]]>([
  [{ pingInterval: -1 }, 'pingInterval', ['pingInterval']],
  [{ limits: { opening: { total: -1 } } }, 'limits.opening.total', ['limits', 'opening', 'total']],
  [{ server: [{ port: 1 }, { port: 0 }] }, 'server[1].port', ['server', 1, 'port']],
  [{ server: { '/a.b[0]"': { port: 0 } } }, 'server["/a.b[0]\\""].port', ['server', '/a.b[0]"', 'port']],
  [{ mapExtensions: { '.a b': 1 } }, 'mapExtensions[".a b"]', ['mapExtensions', '.a b']],
  [
    { rules: [{ else: { when: { headers: { 'x y.z': 1 } } } }] },
    'rules[0].else.when.headers["x y.z"]',
    ['rules', 0, 'else', 'when', 'headers', 'x y.z'],
  ],
  [{ balance: { pick: () => undefined, opened: 1 } }, 'balance.opened', ['balance', 'opened']],
  [{ 'a b.c': 1 }, 'options has no "a b.c"', ['a b.c']],
])('an error about %o names the option, and carries its keys', (options, text, keys) => {
  const [error] = errorsOf(options);
  expect(error?.message).toContain(`wstunnel: ${text}`);
  expect(error && faultOf(error)?.path.keys).toEqual(keys);
});

test('every fault is found, each with its own keys', () => {
  const errors = errorsOf({ debug: -1, server: [{ port: 0 }, { prot: 1 }], rules: [{ deny: [] }] });
  expect(errors.map((error) => faultOf(error)?.path.keys)).toEqual([['rules', 0, 'deny'], ['debug']]);
  expect(errorsOf({ server: [{ port: 0 }, { prot: 1 }] }).map((error) => faultOf(error)?.path.keys)).toEqual([
    ['server', 0, 'port'],
    ['server', 1, 'prot'],
  ]);
});

test.each<[string, unknown]>([
  ['allow', 'localhost'],
  ['deny', 'localhost, 10.0.0.0/8'],
  ['allow', '10.0.0.1'],
  ['origins', 'http://x/'],
  ['origins', 'http://x/vnc.html?path=a'],
  ['origins', 'https://a.example, *.b.example'],
])('the advice for %s: %o works when it is followed', (name, value) => {
  const [error] = errorsOf({ [name]: value });
  const [, advice = ''] = /; write \[ '(.*)' \]$/.exec(error?.message ?? '') ?? [];
  expect(advice).not.toBe('');
  expect(errorsOf({ [name]: advice.split("', '") })).toEqual([]);
});

test.each([
  ['allow', 'desk.example'],
  ['allow', '10.0.0.1, desk'],
  ['origins', 'a b'],
  ['origins', 'http://ann:secret@x/'],
])('%s: %o gets no advice: none would work', (name, value) => {
  expect(errorsOf({ [name]: value })[0]?.message).not.toContain('write');
});

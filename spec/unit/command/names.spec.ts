import { describe, expect, test } from 'vitest';
import { isHostName, ServerNames } from '../../../src/command/listen/origins/server-names.js';

const names = (given: string[] = [], certified: string[] = [], own = 'desk') =>
  new ServerNames(given, (name) => certified.includes(name), own);

describe('issue 12, case 11: what a server can be called by', () => {
  test.each([
    ...['127.0.0.1', '192.0.2.7', '[::1]', '[2001:db8::7]', '0.0.0.0'],
    ...['localhost', 'LOCALHOST', 'localhost.', 'desk.localhost', 'a.b.localhost.'],
    ...['desk', 'DESK', 'desk.', 'desk.local'],
  ])('%s is a name of every server, or of this machine', (host) => {
    expect(names().has(host)).toBe(true);
  });

  test.each([
    ...['rebound.example', 'desk.example', 'xdesk', 'desk.local.example', 'local', '', '.'],
    ...['localhost.example', 'notlocalhost', '127.0.0.1.example', '127-0-0-1.example', 'desk.lan'],
  ])('"%s" is not', (host) => {
    expect(names().has(host)).toBe(false);
  });

  test('the whole name of the machine counts as well as its first label', () => {
    const own = names([], [], 'Desk.Example.com');
    expect(['desk', 'desk.local', 'desk.example.com'].map((name) => own.has(name))).toEqual([
      true,
      true,
      true,
    ]);
    expect(own.has('other.example.com')).toBe(false);
  });

  test('a machine without a name adds none', () => {
    for (const host of ['', '.local', 'local', '.']) expect(names([], [], '').has(host)).toBe(false);
  });

  test('--name and the certificate add names, in any spelling', () => {
    const own = names(['Desk.Example.', 'bücher.example'], ['tls.example']);
    for (const host of [
      'desk.example',
      'desk.example.',
      'xn--bcher-kva.example',
      'tls.example',
      'TLS.example.',
    ])
      expect(own.has(host), host).toBe(true);
    for (const host of ['x.desk.example', 'example', 'a.tls.example'])
      expect(own.has(host), host).toBe(false);
  });

  test.each(['desk', 'desk.example.com', 'desk.example.com.', 'bücher.example', 'a_b.lan', '192.0.2.1'])(
    '%s may stand behind --name',
    (text) => expect(isHostName(text)).toBe(true),
  );

  test.each([
    '',
    '.',
    'desk:80',
    'http://desk',
    'a b',
    'a/b',
    'a..b',
    '*.a',
    '[::1]',
    'a@b',
    'x'.repeat(254),
  ])('"%s" may not', (text) => expect(isHostName(text)).toBe(false));
});

import { describe, expect, test } from 'vitest';
import { isHostName, ServerNames } from '../../../src/command/listen/origins/server-names.js';

const names = (given: string[] = [], certified: string[] = [], own = 'desk') =>
  new ServerNames(given, (name) => certified.includes(name), own);

describe('issue 12, case 11: the names of a server', () => {
  test.each([
    ...['127.0.0.1', '192.0.2.7', '[::1]', '[2001:db8::7]', '0.0.0.0'],
    ...['localhost', 'LOCALHOST', 'localhost.', 'desk.localhost', 'a.b.localhost.'],
    ...['desk', 'DESK', 'desk.', 'desk.local'],
  ])('include %s, for every server or for this machine', (host) => {
    expect(names().has(host)).toBe(true);
  });

  test.each([
    ...['rebound.example', 'desk.example', 'xdesk', 'desk.local.example', 'local', '', '.'],
    ...['localhost.example', 'notlocalhost', '127.0.0.1.example', '127-0-0-1.example', 'desk.lan'],
  ])('do not include "%s"', (host) => {
    expect(names().has(host)).toBe(false);
  });

  test("include the machine's full name and its first label", () => {
    const own = names([], [], 'Desk.Example.com');
    expect(['desk', 'desk.local', 'desk.example.com'].map((name) => own.has(name))).toEqual([
      true,
      true,
      true,
    ]);
    expect(own.has('other.example.com')).toBe(false);
  });

  test('are not extended by a machine without a name', () => {
    for (const host of ['', '.local', 'local', '.']) expect(names([], [], '').has(host)).toBe(false);
  });

  test('include those of --name and of the certificate, in any spelling', () => {
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
    '%s is accepted by --name',
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
  ])('"%s" is refused by --name', (text) => expect(isHostName(text)).toBe(false));
});

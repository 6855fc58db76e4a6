import { describe, expect, test } from 'vitest';
import { CompiledHostMap } from '../../../src/routes/host-map.js';

const map = new CompiledHostMap([
  ['/vnc', 'vnc'],
  ['/vnc/deep', 'never: the first that fits counts'],
  ['.ssh', 'ssh'],
  ['shell', 'shell'],
]);

test.each([
  ['/vnc', 'vnc'],
  ['/vnc/deep', 'vnc'],
  ['/vnc/', 'vnc'],
  // A key must match whole segments.
  ['/vncx', undefined],
  ['/vnc;x', undefined],
  ['/vnc%2f', undefined],
  ['//vnc', undefined],
  ['/a/vnc', undefined],
  ['/VNC', undefined],
  ['/a.ssh', 'ssh'],
  ['/vnc/a.ssh', 'vnc'],
  ['/my-shell', 'shell'],
  ['/shell/', undefined],
  ['/', undefined],
])('%s is served by %s', (path, hosts) => {
  expect(map.hostsOf(path, undefined)).toBe(hosts);
});

test('the empty key matches every path, in its position', () => {
  const all = new CompiledHostMap([
    ['/a', 'a'],
    ['', 'all'],
    ['/b', 'never'],
  ]);
  expect(['/a', '/b', '/'].map((path) => all.hostsOf(path, undefined))).toEqual(['a', 'all', 'all']);
});

test('mapExtensions are applied first, and an unknown key is ignored', () => {
  const extensions = { '.term': '.ssh', '.other': '/nowhere', m: '/vnc' };
  expect(map.hostsOf('/vnc/x.term', extensions)).toBe('ssh');
  expect(map.hostsOf('/m', extensions)).toBe('vnc');
  expect(map.hostsOf('/vnc/x.other', extensions)).toBe('vnc');
  expect(map.hostsOf('/x.other', extensions)).toBeUndefined();
});

describe('issue 12, case 14: a key that starts with a slash', () => {
  const served = (key: string, ...paths: string[]) =>
    paths.filter((path) => new CompiledHostMap([[key, 'yes']]).hostsOf(path, undefined) !== undefined);

  test('matches whole path segments only', () => {
    const paths = ['/vnc', '/vnc/', '/vnc/a', '/vncx', '/vnc.x', '/vnc;x', '/vnc%2Fx', '/vn', '/'];
    expect(served('/vnc', ...paths)).toEqual(['/vnc', '/vnc/', '/vnc/a']);
  });

  test('that ends with a slash matches what is in that folder', () => {
    expect(served('/vnc/', '/vnc', '/vnc/', '/vnc/a', '/vncx/')).toEqual(['/vnc/', '/vnc/a']);
  });

  test('that is only a slash matches every path', () => {
    expect(served('/', '/', '/vnc', '//')).toEqual(['/', '/vnc', '//']);
  });

  test("read in lighttpd's notation may match within a segment", () => {
    const notation = { read: (path: string) => path.toLowerCase(), isNormal: () => true };
    const lighttpd = new CompiledHostMap([['/vnc', 'yes']], notation);
    expect(['/vncx', '/VNC', '/vn'].map((path) => lighttpd.hostsOf(path, undefined))).toEqual([
      'yes',
      'yes',
      undefined,
    ]);
  });
});

import { expect, test } from 'vitest';
import { HostMap } from '../../../src/routes/host-map.js';

const map = new HostMap([
  ['/vnc', 'vnc'],
  ['/vnc/deep', 'never: the first that fits counts'],
  ['.ssh', 'ssh'],
  ['shell', 'shell'],
]);

test.each([
  ['/vnc', 'vnc'],
  ['/vnc/deep', 'vnc'],
  // As in lighttpd: the beginning of a text, not of a segment.
  ['/vncx', 'vnc'],
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

test('the empty key is every path, in its place', () => {
  const all = new HostMap([
    ['/a', 'a'],
    ['', 'all'],
    ['/b', 'never'],
  ]);
  expect(['/a', '/b', '/'].map((path) => all.hostsOf(path, undefined))).toEqual(['a', 'all', 'all']);
});

test('mapExtensions come first; one whose key is unknown counts for nothing', () => {
  const extensions = { '.term': '.ssh', '.other': '/nowhere', m: '/vnc' };
  expect(map.hostsOf('/vnc/x.term', extensions)).toBe('ssh');
  expect(map.hostsOf('/m', extensions)).toBe('vnc');
  expect(map.hostsOf('/vnc/x.other', extensions)).toBe('vnc');
  expect(map.hostsOf('/x.other', extensions)).toBeUndefined();
});

import { describe, expect, test } from 'vitest';
import { isExempt } from '../../../src/client/proxy/no-proxy.js';

const place = (host: string, port = 443) => ({ host, port });

describe('issue 13, case 2: NO_PROXY', () => {
  test.each([
    ['example.com', ['example.com', 'a.example.com', 'a.b.example.com', 'EXAMPLE.com', 'example.com.']],
    ['.example.com', ['example.com', 'a.example.com']],
    ['example.com.', ['example.com', 'a.example.com']],
    ['Example.COM', ['example.com']],
    ['*.example.com', ['a.example.com']],
    ['*example.com', ['example.com', 'myexample.com']],
    ['bücher.example', ['xn--bcher-kva.example', 'a.xn--bcher-kva.example']],
    ['localhost', ['localhost', 'a.localhost']],
    ['192.0.2.7', ['192.0.2.7', '::ffff:c000:207']],
    ['10.0.0.0/8', ['10.0.0.1', '10.255.255.255', '::ffff:a00:1']],
    ['192.168.16.0/20', ['192.168.31.255']],
    ['0.0.0.0/0', ['203.0.113.9']],
    ['::1', ['::1']],
    ['[::1]', ['::1']],
    ['0:0:0:0:0:0:0:1', ['::1']],
    ['fd00::/8', ['fd12:3456::1']],
    ['[fd00::]/8', ['fd12:3456::1']],
    ['fe80::1%eth0', ['fe80::1']],
    ['*', ['example.com', '192.0.2.7', '::1']],
    ['a.example, *', ['example.com']],
    ['a.example b.example\tc.example,,d.example,', ['a.example', 'b.example', 'c.example', 'd.example']],
  ])('%j covers %j', (list, hosts) => {
    for (const host of hosts) expect(isExempt(list, place(host)), host).toBe(true);
  });

  test.each([
    ['', ['example.com', '::1']],
    [',', ['example.com']],
    ['.', ['example.com', '192.0.2.7']],
    ['example.com', ['myexample.com', 'example.com.au', 'com', 'ample.com']],
    ['.example.com', ['myexample.com']],
    ['*.example.com', ['example.com', 'myexample.com']],
    ['com/8', ['example.com', '192.0.2.7']],
    ['10.0.0.0/8', ['11.0.0.1', '10.example.com', '::a00:1']],
    ['10.0.0.0/33', ['10.0.0.0']],
    ['10.0.0.0/-1', ['10.0.0.0']],
    ['10.0.0.0/', ['10.0.0.0']],
    ['10.0.0.0/8x', ['10.0.0.0']],
    ['0.0.0.0/0', ['::1']],
    ['::/0', ['192.0.2.7']],
    ['::/129', ['::1']],
    ['0.2.7', ['192.0.2.7']],
    ['192.0.2', ['192.0.2.7']],
    ['::1', ['::2', '127.0.0.1']],
  ])('%j does not cover %j', (list, hosts) => {
    for (const host of hosts) expect(isExempt(list, place(host)), host).toBe(false);
  });

  test.each([
    ['10.0.0.0/8/9', ['10.0.0.1', '10.0.0.0']],
    ['10.0.0.0/8/', ['10.0.0.1']],
    ['fd00::/8/9', ['fd00::1']],
    ['10.0.0.1/32/32', ['10.0.0.1']],
    ['*.1', ['127.0.0.1']],
    ['*1', ['127.0.0.1', '::1']],
    ['.1', ['127.0.0.1']],
    ['.0.0.1', ['127.0.0.1']],
    ['**', ['127.0.0.1']],
  ])('issue 13, case 2: %j is not an address, so it does not cover %j', (list, hosts) => {
    for (const host of hosts) expect(isExempt(list, place(host, 1)), host).toBe(false);
  });

  test.each([
    ['example.com:8443', 'a.example.com'],
    ['.example.com:8443', 'a.example.com'],
    ['*.example.com:8443', 'a.example.com'],
    ['192.0.2.7:8443', '192.0.2.7'],
    ['192.0.2.0/24:8443', '192.0.2.7'],
    ['[::1]:8443', '::1'],
    ['[fd00::]/8:8443', 'fd12::1'],
    ['*:8443', 'example.com'],
  ])('%j covers that port only', (list, host) => {
    expect(isExempt(list, place(host, 8443))).toBe(true);
    expect(isExempt(list, place(host, 443))).toBe(false);
  });
});

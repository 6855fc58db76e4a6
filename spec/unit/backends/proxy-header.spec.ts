import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { proxyHeader, type ClientEnds } from '../../../src/backends/proxy-header.js';

const v4: ClientEnds = { address: '192.0.2.7', port: 51234, localAddress: '198.51.100.1', localPort: 443 };
const v6: ClientEnds = { address: '2001:db8::7', port: 51234, localAddress: '2001:db8:1::1', localPort: 443 };
const mixed: ClientEnds = { ...v6, localAddress: '127.0.0.1' };
const noLocal: ClientEnds = { ...v4, localAddress: '', localPort: 0 };
const unknown: ClientEnds = { ...v4, address: '' };

const SIGNATURE = '0d0a0d0a000d0a515549540a';

describe('version 1', () => {
  test.each<[string, ClientEnds]>([
    ['PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n', v4],
    ['PROXY TCP6 2001:db8::7 2001:db8:1::1 51234 443\r\n', v6],
    ['PROXY TCP6 2001:db8::7 ::ffff:127.0.0.1 51234 443\r\n', mixed],
    ['PROXY TCP4 192.0.2.7 0.0.0.0 51234 0\r\n', noLocal],
    ['PROXY UNKNOWN\r\n', unknown],
    ['PROXY UNKNOWN\r\n', { ...v4, address: 'x\r\nHELO' }],
  ])('%j', (line, ends) => {
    expect(proxyHeader(1, ends).toString('latin1')).toBe(line);
  });
});

describe('version 2', () => {
  test.each<[string, string, ClientEnds]>([
    ['IPv4', '2111000c c0000207 c6336401 c822 01bb', v4],
    ['IPv6', '21210024 20010db8000000000000000000000007 20010db8000100000000000000000001 c822 01bb', v6],
    ['both', '21210024 20010db8000000000000000000000007 00000000000000000000ffff7f000001 c822 01bb', mixed],
    ['an unknown end', '2111000c c0000207 00000000 c822 0000', noLocal],
    ['an unknown client', '21000000', unknown],
  ])('%s', (_name, hex, ends) => {
    expect(proxyHeader(2, ends).toString('hex')).toBe(SIGNATURE + hex.replaceAll(' ', ''));
  });

  test('IPv6 addresses are encoded from every notation', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const bytes = proxyHeader(2, { ...v6, address }).subarray(16, 32);
        const groups = Array.from({ length: 8 }, (_, n) => bytes.readUInt16BE(n * 2).toString(16));
        expect(new URL(`http://[${groups.join(':')}]`).hostname).toBe(
          new URL(`http://[${address}]`).hostname,
        );
      }),
    );
  });
});

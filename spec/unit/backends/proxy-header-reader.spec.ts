import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { proxyHeader, type ClientEnds } from '../../../src/backends/proxy-header.js';
import { MAX_HEADER, readProxyHeader } from '../../../src/backends/proxy-header-reader.js';

const v4: ClientEnds = { address: '192.0.2.7', port: 51234, localAddress: '198.51.100.1', localPort: 443 };
const v6: ClientEnds = { address: '2001:db8::7', port: 51234, localAddress: '2001:db8:1::1', localPort: 443 };
const SIGNATURE = '0d0a0d0a000d0a515549540a';

const line = (text: string) => Buffer.from(text, 'latin1');
const binary = (hex: string) => Buffer.from(SIGNATURE + hex.replaceAll(' ', ''), 'hex');

describe('issue 12, case 13: a PROXY header', () => {
  test.each([v4, v6])('written by us is read back unchanged, in either version: %j', (ends) => {
    for (const version of [1, 2] as const) {
      const bytes = proxyHeader(version, ends);
      expect(readProxyHeader(bytes)).toEqual({ kind: 'header', length: bytes.length, ends });
      // Bytes after the header are the client's request.
      const more = Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1\r\n')]);
      expect(readProxyHeader(more)).toEqual({ kind: 'header', length: bytes.length, ends });
    }
  });

  test('is awaited while it may still be completed', () => {
    for (const version of [1, 2] as const) {
      const bytes = proxyHeader(version, v4);
      for (let length = 0; length < bytes.length; length++)
        expect(readProxyHeader(bytes.subarray(0, length)), String(length)).toEqual({ kind: 'more' });
    }
  });

  test.each<[string, Buffer]>([
    ['UNKNOWN', line('PROXY UNKNOWN\r\n')],
    ['UNKNOWN with addresses', line('PROXY UNKNOWN ffff:f::1 ffff:f::1 65535 65535\r\n')],
    ['LOCAL', binary('20 00 0000')],
    ['LOCAL with a family and addresses', binary('20 11 000c c0000207 c6336401 c822 01bb')],
    ['LOCAL with a family that nobody knows', binary('20 7f 0002 0000')],
    ['no family', binary('21 00 0000')],
    ['unix sockets', binary(`21 31 00d8 ${'00'.repeat(216)}`)],
  ])("of %s keeps the peer's address", (_name, bytes) => {
    expect(readProxyHeader(bytes)).toEqual({ kind: 'header', length: bytes.length });
  });

  test('of version 2 may have extensions, which are skipped', () => {
    const bytes = binary('21 11 0011 c0000207 c6336401 c822 01bb 04 0002 0000');
    expect(readProxyHeader(bytes)).toEqual({ kind: 'header', length: bytes.length, ends: v4 });
  });

  test('gives an address one spelling', () => {
    const { ends } = readProxyHeader(line('PROXY TCP6 2001:DB8:0:0::7 2001:db8:1::1 51234 443\r\n')) as {
      ends: ClientEnds;
    };
    expect(ends).toEqual(v6);
  });

  test.each<[string, Buffer]>([
    ['HTTP', line('GET / HTTP/1.1\r\n')],
    ['TLS', Buffer.from('160301', 'hex')],
    ['another letter case', line('Proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n')],
    ['a bare newline', line(`PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n${'x'.repeat(107)}`)],
    ['a line that is too long', line(`PROXY UNKNOWN ${'x'.repeat(107)}\r\n`)],
    ['another protocol', line('PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n')],
    ['addresses of another family', line('PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n')],
    ['addresses of another family', line('PROXY TCP4 ::1 ::1 1 2\r\n')],
    ['a name', line('PROXY TCP4 desk.example 198.51.100.1 1 2\r\n')],
    ['a short address', line('PROXY TCP4 127.1 198.51.100.1 1 2\r\n')],
    ['a zone', line('PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n')],
    ['a port that is too high', line('PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n')],
    ['a port with a zero in front', line('PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n')],
    ['a sign', line('PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n')],
    ['two spaces', line('PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n')],
    ['a fifth word', line('PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n')],
    ['UNKNOWNS', line('PROXY UNKNOWNS\r\n')],
    ['version 1 in binary', binary('11 11 000c c0000207 c6336401 c822 01bb')],
    ['an unknown command', binary('22 11 000c c0000207 c6336401 c822 01bb')],
    ['UDP', binary('21 12 000c c0000207 c6336401 c822 01bb')],
    ['an unknown family', binary('21 41 000c c0000207 c6336401 c822 01bb')],
    ['fewer bytes than the family takes', binary('21 11 000b c0000207 c6336401 c822 01')],
    ['a length beyond the cap', binary('21 11 ffff')],
  ])('with %s is invalid', (_name, bytes) => {
    expect(readProxyHeader(bytes)).toEqual({ kind: 'invalid' });
  });

  test('is accepted or refused at the maximum length, whatever the bytes are', () => {
    const starts = fc.constantFrom(
      Buffer.from('PROXY '),
      Buffer.from('PROXY TCP4 '),
      binary('21'),
      Buffer.alloc(0),
    );
    const random = fc.uint8Array({ minLength: MAX_HEADER, maxLength: MAX_HEADER });
    fc.assert(
      fc.property(starts, random, (start, bytes) => {
        const { kind } = readProxyHeader(Buffer.concat([start, bytes]));
        expect(kind).not.toBe('more');
      }),
    );
  });
});

import { isIPv4, isIPv6 } from 'node:net';
import { SIGNATURE, type ClientEnds } from './proxy-header.js';

/**
 * The result of reading the start of a connection. `header`: a complete header of `length` bytes; `ends` has the addresses of the
 * client. In a header without `ends` (UNKNOWN, LOCAL, a unix socket) the peer is the client. `more`: the header is not complete
 * yet. `invalid`: the bytes are not a header.
 */
type ProxyHeaderResult =
  | { readonly kind: 'header'; readonly length: number; readonly ends?: ClientEnds }
  | { readonly kind: 'more' }
  | { readonly kind: 'invalid' };

/** Bytes of a version 1 line with CRLF (section 2.1: "107 chars"). */
const MAX_LINE = 107;
/** Bytes. Version 2 allows 64 KiB of extensions (TLVs), but the headers of load balancers fit into one segment. */
export const MAX_HEADER = 4096;
/** Bytes of the fixed part: signature, version and command, family and protocol, length. */
const FIXED = 16;

const LOCAL = 0;
const PROXY = 1;
const UNSPECIFIED = 0x00;
const TCP4 = 0x11;
const TCP6 = 0x21;
const UNIX_STREAM = 0x31;
/** Bytes of the addresses and ports of each family (section 2.2). */
const ADDRESS_BYTES: Readonly<Record<number, number>> = {
  [UNSPECIFIED]: 0,
  [TCP4]: 12,
  [TCP6]: 36,
  [UNIX_STREAM]: 216,
};

const LINE_START = Buffer.from('PROXY ');
const MORE = { kind: 'more' } as const;
const INVALID = { kind: 'invalid' } as const;

/** Reads the PROXY protocol's header, version 1 or 2 (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2). */
export function readProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (startsAs(bytes, SIGNATURE)) return readBinary(bytes);
  if (startsAs(bytes, LINE_START)) return readLine(bytes);
  return INVALID;
}

/** Do the bytes that have arrived agree with the first bytes of `start`? */
function startsAs(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

function readLine(bytes: Buffer): ProxyHeaderResult {
  const end = bytes.subarray(0, MAX_LINE).indexOf('\r\n');
  if (end === -1) return bytes.length < MAX_LINE ? MORE : INVALID;
  const length = end + 2;
  const line = bytes.toString('latin1', 0, end);
  // "the receiver must ignore anything presented before the CRLF".
  if (/^PROXY UNKNOWN( |$)/.test(line)) return { kind: 'header', length };
  const [, family, address = '', localAddress = '', port = '', localPort = ''] =
    /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line) ?? [];
  const isAddress = family === '4' ? isIPv4 : isIPv6;
  const ports = [port, localPort];
  const isValid =
    [address, localAddress].every(isAddress) &&
    // A zone ("fe80::1%eth0") belongs to this machine, not to the client's.
    !line.includes('%') &&
    ports.every((one) => Number(one) <= 65535 && String(Number(one)) === one);
  if (!isValid) return INVALID;
  const [from, to] = [canonical(address), canonical(localAddress)];
  const ends = { address: from, port: Number(port), localAddress: to, localPort: Number(localPort) };
  return { kind: 'header', length, ends };
}

function readBinary(bytes: Buffer): ProxyHeaderResult {
  if (bytes.length < FIXED) return MORE;
  const versionAndCommand = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const length = FIXED + bytes.readUInt16BE(14);
  const command = versionAndCommand & 0x0f;
  if (versionAndCommand >> 4 !== 2 || command > PROXY || length > MAX_HEADER) return INVALID;
  const needed = ADDRESS_BYTES[family];
  // LOCAL is a health check by the proxy: the family of the header is ignored.
  if (command !== LOCAL && (needed === undefined || length < FIXED + needed)) return INVALID;
  if (bytes.length < length) return MORE;
  if (command === LOCAL || (family !== TCP4 && family !== TCP6)) return { kind: 'header', length };
  const size = family === TCP4 ? 4 : 16;
  const ports = FIXED + 2 * size;
  const ends = {
    address: textOf(bytes.subarray(FIXED, FIXED + size)),
    localAddress: textOf(bytes.subarray(FIXED + size, ports)),
    port: bytes.readUInt16BE(ports),
    localPort: bytes.readUInt16BE(ports + 2),
  };
  return { kind: 'header', length, ends };
}

function textOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return canonical(groups.join(':'));
}

/** An address in the form of RFC 5952, as the URL parser writes addresses: each address has one spelling. */
function canonical(address: string): string {
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

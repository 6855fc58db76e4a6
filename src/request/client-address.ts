import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { trustsSomebody } from './proxy-trust.js';

/** Characters of the longest IPv6 address with brackets, zone and port. A longer text is not an address. */
const MAX_ADDRESS_LENGTH = 128;

/**
 * Returns the same text for all spellings of an address. Port and brackets (`192.0.2.1:5001`, `[2001:db8::1]:443`), quotes (RFC
 * 7239) and zone (`fe80::1%eth0`) are removed; IPv6 follows RFC 5952 section 4, and a mapped IPv4 address (`::ffff:192.0.2.1`)
 * becomes IPv4. An invalid address only becomes lower case, including numbers with leading zeros (`010.0.0.1`), which some
 * programs read as octal.
 */
export function normalizeAddress(text: string): string {
  // The usual case: an address of a socket, which libuv has written.
  if (isIP(text) === 4) return text;
  return (text.length <= MAX_ADDRESS_LENGTH ? canonical(withoutPort(text)) : undefined) ?? text.toLowerCase();
}

/** Azure's gateway and others append a port to the address in `X-Forwarded-For`; IPv6 then has brackets (RFC 3986). */
function withoutPort(text: string): string {
  const bare = text.trim().replace(/^"(.*)"$/, '$1');
  const [, bracketed, plain, port] = /^(?:\[([^[\]]*)\]|(\d+(?:\.\d+){3}))(?::(\d{0,5}))?$/.exec(bare) ?? [];
  return port !== undefined && Number(port) > 65_535 ? bare : (bracketed ?? plain ?? bare);
}

/** Undefined for an invalid address. */
function canonical(address: string): string | undefined {
  const plain = address.replace(/%.*$/, '').toLowerCase();
  const family = isIP(plain);
  if (family === 0) return undefined;
  if (family === 4) return plain;
  const groups = groupsOf(plain);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return isMapped ? dotted(groups.slice(6)) : shortened(groups);
}

function dotted(groups: readonly number[]): string {
  return groups.flatMap((group) => [group >> 8, group & 255]).join('.');
}

/** RFC 5952 section 4.2: `::` replaces the longest run of zero groups, the first of equal runs, and never a single group. */
function shortened(groups: readonly number[]): string {
  let from = 0;
  let length = 1;
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > length) [from, length] = [start, end - start];
  }
  const write = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (length === 1) return write(groups);
  return `${write(groups.slice(0, from))}::${write(groups.slice(from + length))}`;
}

/** Compiles addresses and CIDR ranges. Throws an Error with the first invalid entry as the message. */
export function compileAddresses(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [text = '', bits, ...rest] = entry.split('/');
    const address = canonical(text) ?? '';
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    // The prefix of a mapped range counts the 96 bits before the IPv4 address.
    const shift = family === 4 && isIP(text) === 6 ? 96 : 0;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) - shift : -1;
    if (family === 0 || rest.length > 0 || prefix < 0 || prefix > most) throw new Error(entry);
    list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

/** The default of `clientAddress`. */
export function defaultAddress(req: IncomingMessage): string | undefined {
  if (!trustsSomebody(req)) return req.socket.remoteAddress;
  const { ip } = req as IncomingMessage & { ip?: unknown };
  return typeof ip === 'string' ? ip : req.socket.remoteAddress;
}

/** Is this address in the list? Returns `unknown` for an invalid address (a unix socket's client, a hook's mistake). */
export function isListed(address: string, list: BlockList, unknown: boolean): boolean {
  const family = isIP(address);
  return family === 0 ? unknown : list.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/**
 * The network by which limits count a client: an IPv4 address, or the /64 of an IPv6 address, which belongs to a single customer.
 */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const network = groupsOf(address)
    .slice(0, 4)
    .map((group) => group.toString(16));
  return `${network.join(':')}::/64`;
}

/** The eight groups of an IPv6 address (RFC 4291 section 2.2). */
export function groupsOf(address: string): number[] {
  const [front = '', back] = address.split('::');
  const read = (part: string) =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => {
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
          return group.includes('.') ? [(a << 8) | b, (c << 8) | d] : [parseInt(group, 16)];
        });
  const [first, last] = [read(front), read(back ?? '')];
  const missing = back === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...Array.from({ length: missing }, () => 0), ...last];
}

import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { trustsSomebody } from './trust.js';

const MAPPED_PREFIX = '::ffff:';

/** `::ffff:192.0.2.1` is 192.0.2.1; a zone (`fe80::1%eth0`) is no part of an address. */
export function normalizeAddress(address: string): string {
  const plain = address.replace(/%.*$/, '').toLowerCase();
  const mapped = plain.startsWith(MAPPED_PREFIX) ? plain.slice(MAPPED_PREFIX.length) : '';
  return isIP(mapped) === 4 ? mapped : plain;
}

/** Addresses and CIDR ranges. Throws an Error that names the entry which is neither. */
export function compileAddresses(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [text = '', bits, ...rest] = entry.split('/');
    const address = normalizeAddress(text);
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    // Given as a mapped range, the prefix counts the 96 bits in front.
    const shift = family === 4 && isIP(text) === 6 ? 96 : 0;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) - shift : -1;
    if (family === 0 || rest.length > 0 || prefix < 0 || prefix > most) throw new Error(entry);
    list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}

/** The default of `clientAddress`. */
export function defaultAddress(req: IncomingMessage): string | undefined {
  const { ip } = req as IncomingMessage & { ip?: string };
  return trustsSomebody(req) && typeof ip === 'string' ? ip : req.socket.remoteAddress;
}

/** Is this address in the list? What is no address (a unix socket's client, a hook's mistake) can't be judged: `unknown`. */
export function isListed(address: string, list: BlockList, unknown: boolean): boolean {
  const family = isIP(address);
  return family === 0 ? unknown : list.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** What one client is counted by: its address, of IPv6 the /64 that a single customer has to himself. */
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

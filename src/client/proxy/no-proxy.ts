import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

/** Where a tunnel leads. */
interface Place {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
}

interface Entry {
  /** A name, an address, or a range of addresses. */
  readonly host: string;
  /** Left out: every port. */
  readonly port?: number;
}

/**
 * Does the value of NO_PROXY name this host? There is no standard: this is what curl and Go's `net/http` agree on, and where
 * they differ the wider of the two. A name means its subdomains as well, with or without a dot in front; addresses
 * may be ranges (`10.0.0.0/8`); every entry may end with a port; `*` is every host. Names are not looked up to compare
 * their addresses.
 */
export function isExempt(noProxy: string, place: Place): boolean {
  return noProxy.split(/[\s,]+/).some((entry) => entry !== '' && includes(readEntry(entry), place));
}

/** `::1` needs no brackets; with a port an IPv6 address does: `[::1]:8080`. */
function readEntry(text: string): Entry {
  const [, withPort, digits] = /^(\[.*\](?:\/\d+)?|[^:]*):(\d+)$/.exec(text) ?? [];
  const host = (withPort ?? text).replace(/^\[(.*)\]/, '$1');
  return { host, ...(digits !== undefined && { port: Number(digits) }) };
}

function includes(entry: Entry, { host, port }: Place): boolean {
  if (entry.port !== undefined && entry.port !== port) return false;
  // Of neither, but of many programs: `*.example.com`.
  if (entry.host === '*') return true;
  if (entry.host.startsWith('*') && isIP(host) === 0)
    return nameOf(host).endsWith(nameOf(entry.host.slice(1)));
  return isIP(host) === 0 ? isOfDomain(host, entry.host) : isInRange(host, entry.host);
}

function isOfDomain(host: string, domain: string): boolean {
  const [name, parent] = [nameOf(host), nameOf(domain.replace(/^\./, ''))];
  return parent !== '' && (name === parent || name.endsWith(`.${parent}`));
}

/** As a URL has it: a name of other letters than ASCII in Punycode. */
function nameOf(host: string): string {
  const isAscii = /^\p{ASCII}*$/u.test(host);
  return (isAscii ? host.toLowerCase() : domainToASCII(host)).replace(/\.$/, '');
}

function isInRange(address: string, range: string): boolean {
  const [base = '', bits, ...more] = range.split('/');
  if (isIP(base) === 0 || more.length > 0 || (isIPv6(base) && isIPv4(address))) return false;
  const known = new BlockList();
  if (bits === undefined) known.addAddress(base, familyOf(base));
  // What is no length is no range: BlockList throws.
  else if (/^\d{1,3}$/.test(bits) && Number(bits) <= (isIPv4(base) ? 32 : 128))
    known.addSubnet(base, Number(bits), familyOf(base));
  return known.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}

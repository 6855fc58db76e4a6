import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

/** The server of a tunnel. */
interface Server {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
}

interface NoProxyEntry {
  /** A name, an address, or a range of addresses. */
  readonly host: string;
  /** Default: every port. */
  readonly port?: number;
}

/**
 * Does the value of NO_PROXY name this server? No standard exists: the rules are those of curl and Go's `net/http`, and where the
 * two differ, the wider rule. A name includes its subdomains, with or without a dot in front; an address may be a range
 * (`10.0.0.0/8`); an entry may end with a port; `*` is every host. Names are not resolved for a comparison with addresses.
 */
export function isExempt(noProxy: string, server: Server): boolean {
  return noProxy.split(/[\s,]+/).some((entry) => entry !== '' && includes(readEntry(entry), server));
}

/** An IPv6 address needs brackets only with a port: `::1`, `[::1]:8080`. */
function readEntry(text: string): NoProxyEntry {
  const [, withPort, digits] = /^(\[.*\](?:\/\d+)?|[^:]*):(\d+)$/.exec(text) ?? [];
  const host = (withPort ?? text).replace(/^\[(.*)\]/, '$1');
  return { host, ...(digits !== undefined && { port: Number(digits) }) };
}

function includes(entry: NoProxyEntry, { host, port }: Server): boolean {
  if (entry.port !== undefined && entry.port !== port) return false;
  // curl and Go don't know `*.example.com`, but many programs do.
  if (entry.host === '*') return true;
  if (entry.host.startsWith('*') && isIP(host) === 0)
    return nameOf(host).endsWith(nameOf(entry.host.slice(1)));
  return isIP(host) === 0 ? isOfDomain(host, entry.host) : isInRange(host, entry.host);
}

function isOfDomain(host: string, domain: string): boolean {
  const [name, parent] = [nameOf(host), nameOf(domain.replace(/^\./, ''))];
  return parent !== '' && (name === parent || name.endsWith(`.${parent}`));
}

/** As in a URL: a name with letters outside of ASCII is written in Punycode. */
function nameOf(host: string): string {
  const isAscii = /^\p{ASCII}*$/u.test(host);
  return (isAscii ? host.toLowerCase() : domainToASCII(host)).replace(/\.$/, '');
}

function isInRange(address: string, range: string): boolean {
  const [base = '', bits, ...more] = range.split('/');
  if (isIP(base) === 0 || more.length > 0 || (isIPv6(base) && isIPv4(address))) return false;
  const known = new BlockList();
  if (bits === undefined) known.addAddress(base, familyOf(base));
  // BlockList throws for an invalid prefix length.
  else if (/^\d{1,3}$/.test(bits) && Number(bits) <= (isIPv4(base) ? 32 : 128))
    known.addSubnet(base, Number(bits), familyOf(base));
  return known.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}

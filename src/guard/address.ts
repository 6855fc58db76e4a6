import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { TunnelError } from '../errors.js';

/** What is used of an Express app. */
interface ExpressApp {
  get(setting: string): unknown;
}

type ExpressRequest = IncomingMessage & { app?: ExpressApp; ip?: string };

/** Compiled `allow` and `deny`. */
export interface AddressRules {
  readonly allow: BlockList | undefined;
  readonly deny: BlockList | undefined;
}

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

/** Does Express believe every `X-Forwarded-For`? Then a client writes its own address. */
export function trustsEverybody(req: IncomingMessage): boolean {
  return appOf(req)?.get('trust proxy') === true;
}

/** The default of `clientAddress`. */
export function defaultAddress(req: IncomingMessage): string | undefined {
  const { ip } = req as ExpressRequest;
  const trust = appOf(req)?.get('trust proxy');
  if (trust !== undefined && trust !== false && trust !== true && typeof ip === 'string') return ip;
  return req.socket.remoteAddress;
}

/** Throws the 403 for an address that may not have a tunnel. */
export function checkAddress(address: string, rules: AddressRules): void {
  const family = isIP(address);
  // What is no address (a unix socket's client, a hook's mistake) can't be judged: neither list lets it pass.
  const isIn = (list: BlockList, unknown: boolean) =>
    family === 0 ? unknown : list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  if ((rules.deny && isIn(rules.deny, true)) || (rules.allow && !isIn(rules.allow, false)))
    throw new TunnelError('WSTUNNEL_ADDRESS_REFUSED', 'your address may not open this tunnel');
}

/** Does Express's `trust proxy` trust the peer of this connection to tell the host and the scheme? */
export function trustsPeer(req: IncomingMessage): boolean {
  const trust = appOf(req)?.get('trust proxy fn');
  if (typeof trust !== 'function') return false;
  return (
    (trust as (address: string | undefined, hop: number) => unknown)(req.socket.remoteAddress, 0) === true
  );
}

function appOf(req: IncomingMessage): ExpressApp | undefined {
  const { app } = req as ExpressRequest;
  return typeof app?.get === 'function' ? app : undefined;
}

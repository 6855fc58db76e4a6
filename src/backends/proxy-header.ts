import { isIP } from 'node:net';
import { groupsOf } from '../request/client-address.js';

/** Both ends of the client's connection. An unknown address is empty. */
export interface ClientEnds {
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** The first bytes of a version 2 header (section 2.2). */
export const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/**
 * The header of the PROXY protocol (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2), by which the backend learns the client's
 * address. The header is sent once, before all other bytes, also before TLS.
 */
export function proxyHeader(version: 1 | 2, ends: ClientEnds): Buffer {
  const known = sameFamily(ends);
  return version === 1 ? text(known) : binary(known);
}

type Known = (ClientEnds & { readonly family: 4 | 6 }) | undefined;

function text(known: Known): Buffer {
  if (!known) return Buffer.from('PROXY UNKNOWN\r\n');
  const { family, address, localAddress, port, localPort } = known;
  return Buffer.from(`PROXY TCP${family} ${address} ${localAddress} ${port} ${localPort}\r\n`);
}

function binary(known: Known): Buffer {
  const versionAndCommand = 0x21;
  if (!known) return Buffer.concat([SIGNATURE, Buffer.from([versionAndCommand, 0x00, 0, 0])]);
  const { family, address, localAddress, port, localPort } = known;
  const addresses = Buffer.concat([bytesOf(address), bytesOf(localAddress)]);
  const head = Buffer.from([versionAndCommand, family === 4 ? 0x11 : 0x21, 0, addresses.length + 4]);
  const ports = Buffer.from([port >> 8, port & 255, localPort >> 8, localPort & 255]);
  return Buffer.concat([SIGNATURE, head, addresses, ports]);
}

/** Both addresses must have the same family: with an IPv6 address at the other end, an IPv4 address is written as IPv4-mapped. */
function sameFamily(ends: ClientEnds): Known {
  const families = [isIP(ends.address), isIP(ends.localAddress)];
  if (families[0] === 0) return undefined;
  const family = families.includes(6) ? 6 : 4;
  const written = (address: string, own: number | undefined) => {
    if (own === 0) return family === 4 ? '0.0.0.0' : '::';
    return own === 4 && family === 6 ? `::ffff:${address}` : address;
  };
  const [address, localAddress] = [
    written(ends.address, families[0]),
    written(ends.localAddress, families[1]),
  ];
  return { ...ends, family, address, localAddress };
}

function bytesOf(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const groups = groupsOf(address);
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

import { isIP } from 'node:net';

/** `PORT`, `HOST:PORT`, `[IPv6]:PORT`, `:PORT`. */
interface HostAndPort {
  /** Undefined for a port alone, empty for `:PORT`. */
  readonly host: string | undefined;
  readonly port: number;
}

/** Undefined for any other text. */
export function readHostAndPort(text: string): HostAndPort | undefined {
  const [, address, digits = ''] = /^(?:(\[[^\]]*\]|[^:@\s\0]*):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65535) return undefined;
  const host = address?.replace(/^\[(.*)\]$/, '$1');
  const isBracketed = address?.startsWith('[') === true;
  return isBracketed && isIP(host ?? '') !== 6 ? undefined : { host, port };
}

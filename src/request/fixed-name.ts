import { isIP } from 'node:net';

/**
 * Can no site have this host, as a URL has it, resolved to an address of its choice (DNS rebinding)? An address needs no look-up, and
 * `localhost` never leaves the browser's machine (RFC 6761 section 6.3).
 */
export function isFixedName(host: string): boolean {
  const name = host.replace(/\.$/, '');
  return isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0 || name === 'localhost' || name.endsWith('.localhost');
}

import { isIP } from 'node:net';

/**
 * Is this host (as in a URL) safe from DNS rebinding, so that no site can choose the resolved address? An address is not
 * resolved, and `localhost` never leaves the browser's machine (RFC 6761 section 6.3).
 */
export function isFixedName(host: string): boolean {
  const name = host.replace(/\.$/, '');
  return isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0 || name === 'localhost' || name.endsWith('.localhost');
}

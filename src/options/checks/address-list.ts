import { compileAddresses } from '../../request/client-address.js';
import { fail } from './fail.js';
import { listAdvice } from './list-advice.js';
import type { OptionRef } from './option-path.js';

/** A list of addresses and CIDR ranges. */
export function checkAddresses(value: unknown, name: OptionRef): void {
  if (!Array.isArray(value))
    fail(name, 'must be a list of addresses and CIDR ranges', value, listAdvice(value, addressesFor));
  if (value.length === 0)
    fail(name, 'must list at least one address or CIDR range; leave it out to have no such list', value);
  for (const entry of value as unknown[]) checkAddressEntry(entry, name);
}

/** One address or CIDR range. */
export function checkAddressEntry(value: unknown, name: OptionRef): void {
  if (typeof value !== 'string' || !isAddress(value))
    fail(name, 'must be an IP address or CIDR range such as "192.0.2.0/24" or "2001:db8::/32"', value);
}

function addressesFor(text: string): readonly string[] {
  if (text.toLowerCase() === 'localhost') return ['127.0.0.1', '::1'];
  return isAddress(text) ? [text] : [];
}

function isAddress(text: string): boolean {
  try {
    compileAddresses([text]);
    return true;
  } catch {
    return false;
  }
}

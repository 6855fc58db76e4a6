import type { BlockList } from 'node:net';
import { TunnelError } from '../errors.js';
import { isListed } from '../request/client-address.js';

/** The compiled options `allow` and `deny`. */
interface AddressLists {
  readonly allow: BlockList | undefined;
  readonly deny: BlockList | undefined;
}

/** Throws the 403 for an address that may not have a tunnel. An invalid address passes neither list. */
export function checkAddress(address: string, { allow, deny }: AddressLists): void {
  if ((deny && isListed(address, deny, true)) || (allow && !isListed(address, allow, false)))
    throw new TunnelError('WSTUNNEL_ADDRESS_REFUSED', 'your address may not open this tunnel');
}

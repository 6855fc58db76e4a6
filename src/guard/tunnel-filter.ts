import { normalizeAddress } from '../request/client-address.js';
import type { TunnelFilter } from '../types.js';
import type { Picks } from './recent-ends.js';

/** Selects tunnels by the data of a checked filter: every given field must match. */
export function picksOf({ id, user, address, backend, tunnel }: TunnelFilter): Picks {
  const from = address === undefined ? undefined : normalizeAddress(address);
  return (info, name) =>
    (id === undefined || info.id === id) &&
    (user === undefined || info.user === user) &&
    (from === undefined || info.address === from) &&
    (backend === undefined || info.backend === backend) &&
    (tunnel === undefined || name === tunnel);
}

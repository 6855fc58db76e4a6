import type { IncomingMessage } from 'node:http';
import { checkAddress } from '../guard/address-lists.js';
import { checkAuthResult } from '../guard/authenticate.js';
import { checkOriginIsThere, checkOriginResult, comparisonOf } from '../guard/origin.js';
import { userOf } from '../guard/user-name.js';
import type { RuleSettings } from '../options/settings.js';
import { normalizeAddress } from '../request/client-address.js';
import type { ClientIdentity } from './context.js';
import { hook } from './hook.js';
import { checkAddressIsReliable } from './route.js';

/** Reads the client's address from the hook `clientAddress`, if there is one. */
export async function readClientAddress<Req extends IncomingMessage>(
  { clientAddress }: RuleSettings<Req>,
  req: Req,
  client: ClientIdentity,
  signal: AbortSignal,
): Promise<void> {
  if (!clientAddress) return;
  client.address = normalizeAddress((await hook('clientAddress', signal, () => clientAddress(req))) ?? '');
}

/** May this request have a tunnel? Checks the address, the origin and the app's `authenticate`, and reads the user. */
export async function authorize<Req extends IncomingMessage>(
  settings: RuleSettings<Req>,
  req: Req,
  client: ClientIdentity,
  signal: AbortSignal,
): Promise<void> {
  const { allow, deny, origins, authenticate, clientAddress, user } = settings;
  if ((allow ?? deny) && !clientAddress) checkAddressIsReliable(req, allow ? 'allow' : 'deny');
  checkAddress(client.address, { allow, deny });
  checkOriginIsThere(req, origins.needed);
  const { origin } = req.headers;
  client.origin = origin;
  const mayOpen = await hook('origins', signal, () => origins.check(origin, req));
  checkOriginResult(mayOpen, () => comparisonOf(origin, origins.expected(req)));
  if (authenticate) checkAuthResult(await hook('authenticate', signal, () => authenticate(req, { signal })));
  client.user = await hook('user', signal, () => userOf(req, user));
}

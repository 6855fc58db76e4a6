import type { IncomingMessage } from 'node:http';
import { checkAddress } from '../guard/address-lists.js';
import { checkAuthResult } from '../guard/authenticate.js';
import { checkOriginIsThere, checkOriginResult, comparisonOf } from '../guard/origin.js';
import { checkUserResult, userOf } from '../guard/user-name.js';
import { isPromise, type AbortSource } from '../helpers/abort.js';
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
  opening: AbortSource,
): Promise<void> {
  if (!clientAddress) return;
  const address = await hook('clientAddress', opening, () => clientAddress(req));
  client.address = normalizeAddress(address ?? '');
}

/**
 * May this request have a tunnel? Checks the address, the origin and the app's `authenticate`, and reads the user. Returns a
 * promise only if a hook does.
 */
export function authorize<Req extends IncomingMessage>(
  settings: RuleSettings<Req>,
  req: Req,
  client: ClientIdentity,
  opening: AbortSource,
): void | Promise<void> {
  const { allow, deny, origins, authenticate, clientAddress, user } = settings;
  if ((allow ?? deny) && !clientAddress) checkAddressIsReliable(req, allow ? 'allow' : 'deny');
  checkAddress(client.address, { allow, deny });
  checkOriginIsThere(req, origins.needed);
  const { origin } = req.headers;
  client.origin = origin;
  const mayOpen = hook('origins', opening, () => origins.check(origin, req));
  if (isPromise(mayOpen) || authenticate) return authorizeByHooks(settings, req, client, opening, mayOpen);
  checkOriginResult(mayOpen, () => comparisonOf(origin, origins.expected(req)));
  return readUser(user, req, client, opening);
}

async function authorizeByHooks<Req extends IncomingMessage>(
  { origins, authenticate, user }: RuleSettings<Req>,
  req: Req,
  client: ClientIdentity,
  opening: AbortSource,
  mayOpen: boolean | Promise<boolean>,
): Promise<void> {
  checkOriginResult(await mayOpen, () => comparisonOf(client.origin, origins.expected(req)));
  if (authenticate) {
    const { signal } = opening;
    checkAuthResult(await hook('authenticate', opening, () => authenticate(req, { signal })));
  }
  await readUser(user, req, client, opening);
}

function readUser<Req extends IncomingMessage>(
  user: RuleSettings<Req>['user'],
  req: Req,
  client: ClientIdentity,
  opening: AbortSource,
): void | Promise<void> {
  const name = hook('user', opening, () => userOf(req, user));
  if (!isPromise(name)) client.user = checkUserResult(name);
  else
    return name.then((known) => {
      client.user = checkUserResult(known);
    });
}

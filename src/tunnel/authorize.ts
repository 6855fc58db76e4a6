import type { IncomingMessage } from 'node:http';
import { checkAddress } from '../guard/address-lists.js';
import { checkAuthResult } from '../guard/authenticate.js';
import { checkOriginIsThere, checkOriginResult, comparisonOf, shownOrigin } from '../guard/origin.js';
import { checkUserResult, userOf } from '../guard/user-name.js';
import { isPromise, type AbortSource } from '../helpers/abort.js';
import { timeSince } from '../observe/story.js';
import type { RuleSettings } from '../options/settings.js';
import { normalizeAddress } from '../request/client-address.js';
import type { ClientIdentity } from './context.js';
import type { Granted, GrantResult } from './grant.js';
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
  client.story?.tell('guard', 'the option clientAddress gives the address %s', client.address);
}

/**
 * May this request have a tunnel? Checks the address, the origin and the app's `authenticate`, asks for the grant, and reads the user.
 * Returns the grant, and a promise only if a hook or `grant` does.
 */
export function authorize<Req extends IncomingMessage>(
  settings: RuleSettings<Req>,
  req: Req,
  client: ClientIdentity,
  opening: AbortSource,
  grant: () => GrantResult,
): GrantResult {
  const { allow, deny, origins, authenticate, clientAddress, user } = settings;
  if ((allow ?? deny) && !clientAddress) checkAddressIsReliable(req, allow ? 'allow' : 'deny');
  checkAddress(client.address, { allow, deny });
  if (allow ?? deny) client.story?.tell('guard', 'the address %s passes allow and deny', client.address);
  checkOriginIsThere(req, origins.needed);
  const { origin } = req.headers;
  client.origin = origin;
  const mayOpen = hook('origins', opening, () => origins.check(origin, req));
  if (isPromise(mayOpen) || authenticate)
    return authorizeByHooks(settings, req, client, opening, grant, mayOpen);
  checkOriginResult(mayOpen, () => comparisonOf(origin, origins.expected(req)));
  tellOrigin(client);
  const granting = grant();
  if (isPromise(granting)) return identify(user, req, client, opening, granting);
  const reading = readUser(user, req, client, opening, granting);
  return reading ? reading.then(() => granting) : granting;
}

async function authorizeByHooks<Req extends IncomingMessage>(
  { origins, authenticate, user }: RuleSettings<Req>,
  req: Req,
  client: ClientIdentity,
  opening: AbortSource,
  grant: () => GrantResult,
  mayOpen: boolean | Promise<boolean>,
): Promise<Granted | undefined> {
  checkOriginResult(await mayOpen, () => comparisonOf(client.origin, origins.expected(req)));
  tellOrigin(client);
  if (authenticate) {
    const { signal } = opening;
    const start = performance.now();
    const result = await hook('authenticate', opening, () => authenticate(req, { signal }));
    client.story?.tell(
      'guard',
      'authenticate %s the request after %s',
      result === true ? 'accepts' : 'refuses',
      timeSince(start),
    );
    checkAuthResult(result);
  }
  return identify(user, req, client, opening, grant());
}

function tellOrigin({ story, origin }: ClientIdentity): void {
  if (origin === undefined) story?.tell('guard', 'no Origin header: the client is not a web page');
  else story?.tell('guard', 'the origin %s passes', shownOrigin(origin));
}

async function identify<Req extends IncomingMessage>(
  user: RuleSettings<Req>['user'],
  req: Req,
  client: ClientIdentity,
  opening: AbortSource,
  granting: GrantResult,
): Promise<Granted | undefined> {
  const granted = await granting;
  await readUser(user, req, client, opening, granted);
  return granted;
}

function readUser<Req extends IncomingMessage>(
  user: RuleSettings<Req>['user'],
  req: Req,
  client: ClientIdentity,
  opening: AbortSource,
  granted: Granted | undefined,
): void | Promise<void> {
  if (granted?.user !== undefined) {
    client.user = granted.user;
    return;
  }
  const name = hook('user', opening, () => userOf(req, user));
  if (!isPromise(name)) client.user = checkUserResult(name);
  else
    return name.then((known) => {
      client.user = checkUserResult(known);
    });
}

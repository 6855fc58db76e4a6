import type { IncomingMessage } from 'node:http';
import { asRefusal } from '../../errors.js';
import { isPromise } from '../../helpers/abort.js';
import { defaultAddress, normalizeAddress } from '../../request/client-address.js';
import type { CheckOnRequest } from '../../upgrade/check/check-on-request.js';
import { authorize, readClientAddress } from '../authorize.js';
import type { ClientIdentity } from '../context.js';
import { keptGrant } from '../grant.js';
import { rightsOf, textOfRights } from '../rights.js';
import type { Route } from '../route.js';
import { askVnc } from '../vnc.js';

/** The request of a login check has reached a tunnel: runs the guards again, and opens nothing. Never rejects. */
export async function answerCheck<Req extends IncomingMessage>(
  owner: unknown,
  route: Route<Req>,
  req: Req,
  check: CheckOnRequest,
): Promise<void> {
  const { settings, failure } = route;
  const client: ClientIdentity = { id: '', url: '', address: '', user: undefined };
  try {
    client.address = normalizeAddress(defaultAddress(req) ?? '');
    if (failure) throw failure;
    if (settings.clientAddress) await readClientAddress(settings, req, client, check.signal);
    const { signal, granted } = check;
    const grant = () => keptGrant(route, req, signal, granted);
    const authorizing = authorize(settings, req, client, signal, grant);
    const isViewer = (isPromise(authorizing) ? await authorizing : authorizing)?.viewOnly === true;
    const asking = askVnc(settings.vnc, req, signal);
    const vnc = isPromise(asking) ? await asking : asking;
    check.reached(owner, client.user, textOfRights(rightsOf(vnc, isViewer)));
  } catch (error) {
    check.refused(asRefusal(error).status);
  }
}

import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { leaseOf, UNCOUNTED, type Lease } from '../helpers/lease.js';
import type { Log } from '../observe/log.js';
import { storyOf, timeSince, type Story } from '../observe/story.js';
import { urlForAny } from '../observe/redact.js';
import { normalizeAddress } from '../request/client-address.js';
import { StreamSocket } from '../upgrade/http2/stream-socket.js';
import { pendingOf } from '../upgrade/pending-upgrade.js';
import type { Route } from './route.js';

/** The ids of requests that are still in the app's middleware and whose arrival is in the debug log. */
const ids = new WeakMap<IncomingMessage, string>();

/** Removes and returns the id in the line about the arrival, if there is such a line. A second tunnel object makes a new id. */
export function takeId(req: IncomingMessage): string | undefined {
  const id = ids.get(req);
  ids.delete(req);
  return id;
}

/**
 * Writes the arrival of an upgrade to the debug log. The lease is released when the request reaches the tunnel, the app responds or the
 * client disconnects. `servers`: the options `server` of all rules.
 */
export function noteArrival(log: Log, req: IncomingMessage, servers: readonly unknown[]): Lease {
  if (log.isOn?.('debug') !== true) return UNCOUNTED;
  const id = randomUUID();
  const story = storyOf(log, id);
  const start = performance.now();
  ids.set(req, id);
  const address = normalizeAddress(req.socket.remoteAddress ?? '');
  tellArrival(story, req, { url: urlForAny(servers, req.url ?? '/'), address });
  return leaseOf(() => {
    if (takeId(req) === undefined) return;
    const time = timeSince(start);
    if (pendingOf(req)?.signal.aborted === true)
      story?.tell('upgrade', 'the client left after %s, while the app had the request', time);
    else story?.tell('upgrade', 'the app answered after %s: the request did not reach the tunnel', time);
  });
}

/** Writes to the debug log how the request reached the tunnel. `isKnown`: the arrival is in the log already. */
export function tellWay<Req extends IncomingMessage>(
  story: Story | undefined,
  req: Req,
  client: { readonly url: string; readonly address: string },
  { isKnown, arrived, route }: { isKnown: boolean; arrived: number; route: Route<Req> },
): void {
  if (!story) return;
  if (!isKnown) tellArrival(story, req, client);
  story.tell('upgrade', 'reached the tunnel after %s in the app', timeSince(arrived));
  if (route.matched?.length === 0) story.tell('guard', 'none of the rules applies');
  else if (route.matched) story.tell('guard', 'rules that apply: %s', route.matched.join(', '));
}

function tellArrival(
  story: Story | undefined,
  { method, httpVersion, socket }: IncomingMessage,
  { url, address }: { readonly url: string; readonly address: string },
): void {
  const client = address === '' ? 'a local client' : address;
  // The request of an HTTP/2 stream has the form of an upgrade of HTTP/1.1.
  const version = (socket as unknown) instanceof StreamSocket ? '2' : httpVersion;
  story?.tell('upgrade', 'arrived: %s %s from %s, HTTP/%s', method, url, client, version);
}

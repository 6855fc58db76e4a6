import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { messageOf, TunnelError } from '../errors.js';
import { shownOrigin } from '../guard/origin.js';
import { WebSocketStream } from '../frames/websocket-stream.js';
import { deferred } from '../helpers/deferred.js';
import { userSoFar } from '../guard/user.js';
import type { Client, Closable, Ends, Shared } from './context.js';
import { endingOf } from '../streams/close-causes.js';
import { answer } from '../upgrade/answer.js';
import { upgrade } from '../upgrade/claim.js';
import { readHandshake } from '../upgrade/handshake.js';
import type { PendingUpgrade } from '../upgrade/pending.js';

/** Says why there is no tunnel: as an HTTP answer, by the app's own `onRefuse`, or behind the upgrade as a Close. */
export async function refuse<Req extends IncomingMessage>(
  shared: Shared,
  ends: Ends<Req>,
  client: Client,
  refusal: TunnelError,
): Promise<void> {
  const { settings, req, res, pending } = ends;
  // Refused before it was asked for: the login that the app has found is known all the same.
  client.user ??= userSoFar(req, settings.user);
  tell(shared, client, refusal);
  if (pending?.state === 'claimed' || pending?.state === 'gone') return;
  const socket = socketOf(req, res);
  if (res.headersSent || res.writableEnded || socket?.destroyed === true) return;
  // Whoever answers from here on has as much time as the tunnel had.
  const deadline = setTimeout(() => socket?.destroy(), settings.handshakeTimeout * 1000);
  res.once('close', () => clearTimeout(deadline));
  if (pending?.state === 'waiting' && settings.refuseWith === 'close' && !isBadHandshake(refusal))
    await refuseByClose(shared, ends, pending, refusal);
  else if (settings.onRefuse) await refuseByHook(shared, ends, refusal, settings.onRefuse);
  else answer(res, refusal);
}

/** An app may have put getters of its own on both. */
export function socketOf(req: IncomingMessage, res: ServerResponse): Socket | undefined {
  for (const read of [() => req.socket, () => res.socket]) {
    try {
      const socket = read();
      if (socket) return socket;
    } catch {
      // The other one may have it.
    }
  }
  return undefined;
}

/** To the operator: totals, log and event. */
export function tell({ totals, log, announce }: Shared, client: Client, refusal: TunnelError): void {
  const { code, status, message, detail } = refusal;
  totals.refused(code);
  const reason = detail === undefined ? message : `${message}: ${detail}`;
  const why = refusal.cause === undefined ? reason : `${reason}: ${messageOf(refusal.cause)}`;
  const level = code === 'WSTUNNEL_HOOK_FAILED' ? 'error' : 'info';
  log('guard', level, 'refused %s %s: %s', client.url, code, why);
  const { url, address, user } = client;
  const origin = code === 'WSTUNNEL_ORIGIN_REFUSED' ? client.origin : undefined;
  announce.refuse({
    ...{ url, address, ...(user !== undefined && { user }), status, code, reason },
    ...(origin !== undefined && { origin: shownOrigin(origin) }),
  });
}

async function refuseByHook<Req extends IncomingMessage>(
  { log }: Shared,
  { req, res, next }: Ends<Req>,
  refusal: TunnelError,
  onRefuse: NonNullable<Ends<Req>['settings']['onRefuse']>,
): Promise<void> {
  try {
    await onRefuse(refusal, req, res, next);
  } catch (error) {
    log('guard', 'error', 'onRefuse failed: %s', messageOf(error));
    answer(res, new TunnelError('WSTUNNEL_HOOK_FAILED', 'onRefuse failed', { cause: error }));
  }
}

/** A page sees close codes, no statuses: upgrade, then close with 4000 + status. */
async function refuseByClose<Req extends IncomingMessage>(
  { limits, lingering }: Shared,
  { settings, req, res }: Ends<Req>,
  pending: PendingUpgrade,
  refusal: TunnelError,
): Promise<void> {
  const { promise: closed, resolve: settle } = deferred();
  const waiting: Closable = { closed, destroy: () => socketOf(req, res)?.destroy() };
  const over = () => {
    lingering.delete(waiting);
    settle();
  };
  lingering.add(waiting);
  try {
    // A browser that offers subprotocols wants one of them.
    const { subprotocols } = readHandshake(req);
    const subprotocol = subprotocols.has('binary') ? 'binary' : [...subprotocols][0];
    // `refuse` has set the deadline: it destroys the socket, and the client is gone.
    const claimed = await pending.claim(pending.signal);
    const { socket, head } = upgrade(req, claimed, subprotocol, undefined, pending.signal);
    const ignoreIt = () => undefined;
    const handlers = { payload: ignoreIt, drain: ignoreIt, closing: ignoreIt, ended: ignoreIt, closed: over };
    const stream = new WebSocketStream(socket, { ...settings, ...limits }, handlers);
    stream.start(head);
    stream.close(endingOf('refused', refusal.body.trim(), refusal.closeCode));
  } catch {
    // The client left, the server stopped, or a session was not saved: the socket has been answered and ended.
    over();
  }
}

function isBadHandshake({ code }: TunnelError): boolean {
  return code === 'WSTUNNEL_BAD_HANDSHAKE' || code === 'WSTUNNEL_WRONG_VERSION';
}

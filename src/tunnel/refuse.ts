import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { messageOf, TunnelError } from '../errors.js';
import { WebSocketStream } from '../frames/websocket-stream.js';
import { shownOrigin } from '../guard/origin.js';
import { userIfKnown } from '../guard/user-name.js';
import { deferred } from '../helpers/deferred.js';
import { withoutSecrets } from '../request/secret-subprotocols.js';
import { endingOf } from '../streams/close-causes.js';
import type { RefuseInfo } from '../types.js';
import { completeUpgrade } from '../upgrade/complete-upgrade.js';
import { readHandshake } from '../upgrade/opening-handshake.js';
import type { PendingUpgrade } from '../upgrade/pending-upgrade.js';
import { respondWithRefusal } from '../upgrade/refusal-response.js';
import { type Closable, type ClientIdentity, type RequestContext, type TunnelContext } from './context.js';

/** Refuses a request: by an HTTP response, by the app's `onRefuse`, or by a Close after the upgrade (`refuseWith: 'close'`). */
export async function refuse<Req extends IncomingMessage>(
  context: TunnelContext,
  request: RequestContext<Req>,
  client: ClientIdentity,
  refusal: TunnelError,
): Promise<void> {
  const { settings, req, res, pending } = request;
  // For a refusal before the hook `user`: the user known from the app's login.
  client.user ??= userIfKnown(req, settings.user);
  reportRefusal(context, client, refusal);
  if (pending?.state === 'claimed' || pending?.state === 'gone') return;
  const socket = socketOf(req, res);
  if (res.headersSent || res.writableEnded || socket?.destroyed === true) return;
  // The response gets as much time as the opening had.
  const deadline = setTimeout(() => socket?.destroy(), settings.handshakeTimeout * 1000);
  res.once('close', () => clearTimeout(deadline));
  if (pending?.state === 'waiting' && settings.refuseWith === 'close' && !isBadHandshake(refusal))
    await refuseByClose(context, request, pending, refusal);
  else if (settings.onRefuse) await refuseByHook(context, request, refusal, settings.onRefuse);
  else respondWithRefusal(res, refusal);
}

/** The socket of a request. The app may have replaced either getter with a getter that throws. */
export function socketOf(req: IncomingMessage, res: ServerResponse): Socket | undefined {
  for (const read of [() => req.socket, () => res.socket]) {
    try {
      const socket = read();
      if (socket) return socket;
    } catch {
      // The other getter may work.
    }
  }
  return undefined;
}

/** Reports a refusal to the operator: totals, log and the event `refuse`. */
export function reportRefusal(
  { totals, refusals, log, announce }: TunnelContext,
  client: ClientIdentity,
  refusal: TunnelError,
): void {
  const { code, status, message, detail } = refusal;
  totals.refused(code);
  totals.counts.noteRefused(code);
  const reason = detail === undefined ? message : `${message}: ${detail}`;
  const why = withCause(reason, refusal.cause);
  const level = code === 'WSTUNNEL_HOOK_FAILED' ? 'error' : 'info';
  const { id, url, address, user, timings } = client;
  log('guard', level, '%s refused %s from %s: %d %s, %s', id, url, address, status, code, why);
  const origin = code === 'WSTUNNEL_ORIGIN_REFUSED' ? client.origin : undefined;
  const info: RefuseInfo = {
    ...{ id, url, address, ...(user !== undefined && { user }), status, code, reason },
    ...(origin !== undefined && { origin: shownOrigin(origin) }),
    ...(isOfBackend(code) && client.failed),
    ...(timings && { timings: { ...timings } }),
  };
  refusals.add({ ...info, reason: why });
  announce.refuse(info);
}

/** The message of a failed hook ends with the message of its error. */
function withCause(reason: string, cause: unknown): string {
  if (cause === undefined) return reason;
  const message = messageOf(cause);
  return reason.endsWith(message) ? reason : `${reason}: ${message}`;
}

function isOfBackend(code: string): boolean {
  return (
    code.startsWith('WSTUNNEL_BACKEND_') || code === 'WSTUNNEL_EXHAUSTED' || code === 'WSTUNNEL_VNC_REFUSED'
  );
}

async function refuseByHook<Req extends IncomingMessage>(
  { log }: TunnelContext,
  { req, res, next }: RequestContext<Req>,
  refusal: TunnelError,
  onRefuse: NonNullable<RequestContext<Req>['settings']['onRefuse']>,
): Promise<void> {
  try {
    await onRefuse(refusal, req, res, next);
  } catch (error) {
    log('guard', 'error', 'onRefuse failed: %s', messageOf(error));
    respondWithRefusal(res, new TunnelError('WSTUNNEL_HOOK_FAILED', 'onRefuse failed', { cause: error }));
  }
}

/** A page sees close codes and no HTTP statuses: upgrades, then closes with 4000 + status. */
async function refuseByClose<Req extends IncomingMessage>(
  { limits, refusing }: TunnelContext,
  { settings, req, res }: RequestContext<Req>,
  pending: PendingUpgrade,
  refusal: TunnelError,
): Promise<void> {
  const { promise: closed, resolve: settle } = deferred();
  const closing: Closable = { untilClosed: () => closed, destroy: () => socketOf(req, res)?.destroy() };
  const done = () => {
    refusing.delete(closing);
    settle();
  };
  refusing.add(closing);
  try {
    // A browser that offers subprotocols fails the connection unless the response selects one of them.
    const offered = [...withoutSecrets(req, readHandshake(req).subprotocols)];
    const subprotocol = offered.includes('binary') ? 'binary' : offered[0];
    // The deadline of `refuse` destroys the socket, which aborts this signal.
    const claimed = await pending.claim(pending.signal);
    const { socket, head } = completeUpgrade(req, claimed, { subprotocol }, undefined, pending.signal);
    const ignoreIt = () => undefined;
    const handlers = { payload: ignoreIt, drain: ignoreIt, closing: ignoreIt, ended: ignoreIt, closed: done };
    const stream = new WebSocketStream(socket, { ...settings, ...limits }, handlers);
    stream.start(head);
    stream.close(endingOf('refused', refusal.body.trim(), refusal.closeCode));
  } catch {
    // The client left, the server stopped, or a session was not saved: the socket has already been answered and ended.
    done();
  }
}

function isBadHandshake({ code }: TunnelError): boolean {
  return code === 'WSTUNNEL_BAD_HANDSHAKE' || code === 'WSTUNNEL_WRONG_VERSION';
}

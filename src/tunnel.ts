import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { dial } from './backends/dial.js';
import type { BackendPool } from './backends/pool.js';
import { type Lease, type PooledHost } from './backends/pool.js';
import { messageOf, TunnelError, type TunnelErrorCode } from './errors.js';
import { WebSocketStream, type CloseCause } from './frames/websocket-stream.js';
import { checkAddress, defaultAddress, normalizeAddress, trustsEverybody } from './guard/address.js';
import { checkAuthResult } from './guard/authenticate.js';
import { checkOrigin } from './guard/origin.js';
import { hook } from './helpers/hook.js';
import { originalPathOf } from './helpers/path.js';
import type { Log } from './observe/log.js';
import { redactUrl } from './observe/redact.js';
import type { Totals } from './observe/totals.js';
import { readHosts, type Settings } from './options.js';
import { Relay } from './relay.js';
import type { ClosedInfo, Next, RefuseInfo, TunnelInfo } from './types.js';
import { accept, type Accepted } from './upgrade/accept.js';
import { answer, answerBare } from './upgrade/answer.js';
import { Attempt, clientGone, draining } from './upgrade/attempt.js';
import { readHandshake, type Handshake } from './upgrade/handshake.js';
import { pendingOf, type PendingUpgrade } from './upgrade/pending.js';
import { watch } from './watch.js';

/** What all connections of one tunnel share. */
export interface Shared<Req extends IncomingMessage> {
  readonly settings: Settings<Req>;
  readonly pool: BackendPool;
  readonly totals: Totals;
  readonly log: Log;
  /** Requests on their way to the 101; aborted by `close()` and `end()`. */
  readonly attempts: Set<Opening>;
  readonly open: Set<OpenTunnel>;
  /** Sockets that only wait for the Close of a refusal. */
  readonly lingering: Set<Closable>;
  readonly isDraining: () => boolean;
  /** An upgrade that came as an ordinary request: nothing of ours listened to its server. */
  readonly notAttached: (req: IncomingMessage) => TunnelError;
  readonly announce: {
    open(info: TunnelInfo): void;
    close(info: ClosedInfo): void;
    refuse(info: RefuseInfo): void;
  };
}

/** What `close()` waits for, and destroys if it takes too long. */
export interface Closable {
  readonly closed: Promise<void>;
  destroy(): void;
}

/** A request on its way to its 101. */
export interface Opening {
  readonly attempt: Attempt;
  /** As far as it is known. */
  info(): TunnelInfo;
}

/** A tunnel between its 101 and its end. */
export interface OpenTunnel extends Closable {
  info(): TunnelInfo;
  /** Says Close; what the client sends before its own still reaches the backend. */
  close(code: number, reason: string): void;
  /** Says Close; nothing of the client reaches the backend any more. */
  cutOff(code: number, reason: string): void;
}

/** Who asks, as far as it is known. */
interface Client {
  readonly id: string;
  readonly url: string;
  address: string;
  user: string | undefined;
}

/** The request and all that can answer it. */
interface Ends<Req> {
  readonly req: Req;
  readonly res: ServerResponse;
  readonly next: Next;
  readonly pending: PendingUpgrade | undefined;
}

/** A backend that is connected, and its place in the load. */
interface Reached {
  readonly socket: Socket;
  readonly host: PooledHost;
  readonly lease: Lease;
}

/**
 * One tunnel, first byte to last. The request has passed the app's own middleware and the tunnel's `url`: guard it,
 * choose and dial a backend, accept with the 101, relay until both ends are closed. Never rejects: whatever goes wrong
 * before the 101 is a refusal.
 */
export async function openTunnel<Req extends IncomingMessage>(
  shared: Shared<Req>,
  req: Req,
  res: ServerResponse,
  next: Next,
): Promise<void> {
  const { settings } = shared;
  const pending = pendingOf(req);
  const address = normalizeAddress(defaultAddress(req) ?? '');
  const client: Client = { id: randomUUID(), url: redactUrl(urlOf(req)), address, user: undefined };
  const attempt = new Attempt(pending, settings.handshakeTimeout);
  const opening: Opening = {
    attempt,
    info: () => infoOf({ ...client, user: client.user ?? userSoFar(settings, req) }, '', Date.now()),
  };
  shared.attempts.add(opening);
  let reached: Reached | undefined;
  try {
    const handshake = readHandshake(req);
    if (shared.isDraining()) throw draining();
    if (!pending) throw shared.notAttached(req);

    await guard(shared, req, client, attempt.signal);
    const hosts = await chooseTarget(settings, req, attempt.signal);
    reached = await reachBackend(shared, req, client, hosts, attempt.signal);

    const subprotocol = await chooseSubprotocol(settings, handshake, req, attempt.signal);
    checkStillWaiting(pending, res);
    const { socket, head } = await upgrade(req, pending, subprotocol, reached.socket, attempt.signal);
    const frameType = subprotocol === 'binary' ? 'binary' : settings.frameType;
    relay(shared, client, { ...reached, client: socket, head, frameType });
  } catch (error) {
    reached?.socket.destroy();
    reached?.lease.release();
    shared.attempts.delete(opening);
    try {
      await refuse(shared, { req, res, next, pending }, client, asRefusal(error));
    } catch {
      // A middleware's own `setHeader`, `writeHead` or `end` failed in the answer.
      req.socket.destroy();
    }
  } finally {
    attempt.end();
    shared.attempts.delete(opening);
  }
}

/** May this request have a tunnel? Address, then origin, then the app's own `authenticate`. */
async function guard<Req extends IncomingMessage>(
  { settings }: Shared<Req>,
  req: Req,
  client: Client,
  signal: AbortSignal,
): Promise<void> {
  const { addresses, authenticate, clientAddress } = settings;
  if (addresses.allow && !clientAddress && trustsEverybody(req))
    throw new TunnelError(
      'WSTUNNEL_HOOK_FAILED',
      "allow can't be used under 'trust proxy': true, where clients write their own address; name the proxies " +
        "(app.set('trust proxy', 'loopback')) or give clientAddress",
    );
  if (clientAddress)
    client.address = normalizeAddress((await hook('clientAddress', signal, () => clientAddress(req))) ?? '');
  checkAddress(client.address, addresses);
  await hook('origins', signal, () => checkOrigin(req, settings.checkOrigin, settings.needsOrigin));
  if (authenticate) checkAuthResult(await hook('authenticate', signal, () => authenticate(req, { signal })));
  client.user = await hook('user', signal, () => userOf(settings, req));
}

/** The hosts that may serve this request. */
async function chooseTarget<Req extends IncomingMessage>(
  { server }: Settings<Req>,
  req: Req,
  signal: AbortSignal,
): Promise<ReturnType<typeof readHosts>> {
  if (typeof server !== 'function') return server ?? [];
  const target: unknown = await hook('server', signal, () => server(req, { signal }));
  if (target === undefined || target === null)
    throw new TunnelError('WSTUNNEL_NO_TARGET', 'there is no such tunnel');
  return hook('server', signal, () => readHosts(target, 'the result of server()'));
}

/** Picks and dials: a host that fails is left out for a while, and the strategy is asked again. */
async function reachBackend<Req extends IncomingMessage>(
  { settings, pool, log }: Shared<Req>,
  req: Req,
  { address }: Client,
  hosts: ReturnType<typeof readHosts>,
  signal: AbortSignal,
): Promise<Reached> {
  const request = { req, address, path: originalPathOf(req) ?? '', authority: req.headers.host ?? '' };
  const failed = new Set<PooledHost>();
  let last = new TunnelError('WSTUNNEL_NO_BACKEND', 'no backend is up');
  for (;;) {
    const up = pool.statesOf(hosts).filter((host) => host.up && !failed.has(host));
    if (up.length === 0) throw last;
    const picked = await hook('balance.pick', signal, () => settings.balance.pick(up, request));
    const host = up.find((candidate) => candidate === picked);
    if (!host) throw new TunnelError('WSTUNNEL_NO_BACKEND', 'no backend was chosen');
    const lease = pool.lease(host, settings.balance);
    try {
      const socket = await dial(host.host, signal);
      pool.connected(host);
      return { socket, host, lease };
    } catch (error) {
      lease.release();
      if (signal.aborted || !(error instanceof TunnelError)) throw error;
      failed.add(host);
      last = error;
      const why = error.cause === undefined ? error.message : messageOf(error.cause);
      log('backend', 'warn', '%s failed: %s', host.id, why);
      pool.failed(host, why);
    }
  }
}

/** `binary` when offered, never required (RFC 6455 section 4.2.2 item 5.5). */
async function chooseSubprotocol<Req extends IncomingMessage>(
  { subprotocol }: Settings<Req>,
  { subprotocols }: Handshake,
  req: Req,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!subprotocol) return subprotocols.has('binary') ? 'binary' : undefined;
  const chosen = await hook('subprotocol', signal, () => subprotocol(subprotocols, req));
  if (chosen !== undefined && !subprotocols.has(chosen))
    throw new TunnelError('WSTUNNEL_HOOK_FAILED', 'subprotocol: the result must be one of those offered');
  return chosen;
}

/** All is ready: finish the app's response, and send the 101. `backend` is none where only a Close will follow. */
async function upgrade(
  req: IncomingMessage,
  pending: PendingUpgrade,
  subprotocol: string | undefined,
  backend: Socket | undefined,
  signal: AbortSignal,
): Promise<Accepted> {
  const claimed = await pending.claim(signal);
  const { socket, head, headers } = claimed;
  // What happened while the response was finished counts as well.
  const late = signal.aborted ? asRefusal(signal.reason) : claimed.isServed() ? undefined : draining();
  if (late) {
    answerBare(socket, late.status);
    throw late;
  }
  if (backend?.destroyed) {
    answerBare(socket, 502);
    throw new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend left before the tunnel opened');
  }
  const accepted = accept(req, socket, head, { subprotocol, headers });
  if (accepted) return accepted;
  socket.destroy();
  throw clientGone();
}

/** Middleware may answer behind our back, clients leave, servers stop: nothing of that may open a tunnel. */
function checkStillWaiting(pending: PendingUpgrade, res: ServerResponse): void {
  if (pending.state === 'waiting') return;
  if (pending.state === 'gone') throw clientGone();
  if (pending.state === 'stopped') throw draining();
  throw new TunnelError('WSTUNNEL_ANSWERED', 'the app answered the request itself', {
    status: res.statusCode,
  });
}

/**
 * The tunnel is open. Nothing here may hold the request: it lives as long as the tunnel, which may be weeks.
 */
function relay<Req extends IncomingMessage>(
  shared: Shared<Req>,
  client: Client,
  ends: Reached & { client: Duplex; head: Buffer; frameType: 'binary' | 'text' },
): void {
  const { settings, totals, open, log, announce } = shared;
  const { host, lease } = ends;
  const { id } = client;
  const since = Date.now();
  const info = () => infoOf(client, host.id, since, joined);
  const { promise: closed, resolve: settle } = promiseOfClose();
  const done = ({ code, reason }: CloseCause) => {
    lease.release();
    open.delete(tunnel);
    totals.closed(code, joined.bytesIn, joined.bytesOut);
    log('tunnel', 'info', '%s closed %d %s', id, code, reason);
    announce.close({ ...info(), code, reason, duration: (Date.now() - since) / 1000 });
    settle();
  };
  const stream = new WebSocketStream(
    ends.client,
    { ...settings, frameType: ends.frameType },
    {
      payload: (bytes, chunk) => joined.payload(bytes, chunk),
      drain: () => joined.drain(),
      closing: () => {
        unwatch();
        joined.closing();
      },
      ended: () => joined.ended(),
      closed: (cause) => joined.closed(cause),
    },
  );
  const joined = new Relay<CloseCause>(ends.socket, settings, stream, done);
  const unwatch = watch({ ...settings, ...host.host }, joined, (code, reason) => stream.cutOff(code, reason));
  const tunnel: OpenTunnel = {
    info,
    closed,
    close: (code, reason) => stream.close(code, reason),
    cutOff: (code, reason) => stream.cutOff(code, reason),
    destroy: () => {
      stream.destroy(1006, 'destroyed by close()');
      ends.socket.destroy();
    },
  };
  open.add(tunnel);
  totals.opened++;
  log('tunnel', 'info', '%s opened: %s from %s to %s', id, client.url, client.address, host.id);
  announce.open(info());
  stream.start(ends.head);
  joined.start();
}

/** Says why there is no tunnel: as an HTTP answer, by the app's own `onRefuse`, or behind the upgrade as a Close. */
async function refuse<Req extends IncomingMessage>(
  shared: Shared<Req>,
  ends: Ends<Req>,
  client: Client,
  refusal: TunnelError,
): Promise<void> {
  const { settings, totals, log, announce } = shared;
  const { req, res, pending } = ends;
  const { code, status, message } = refusal;
  totals.refused(code);
  const why = refusal.cause === undefined ? message : `${message}: ${messageOf(refusal.cause)}`;
  log(
    'guard',
    refusal.code === 'WSTUNNEL_HOOK_FAILED' ? 'error' : 'info',
    'refused %s %s: %s',
    client.url,
    code,
    why,
  );
  const { url, address, user } = client;
  announce.refuse({ url, address, ...(user !== undefined && { user }), status, code, reason: message });

  if (pending?.state === 'claimed' || pending?.state === 'gone') return;
  if (res.headersSent || res.writableEnded || req.socket.destroyed) return;
  // Whoever answers from here on has as much time as the tunnel had.
  const deadline = setTimeout(() => req.socket.destroy(), settings.handshakeTimeout * 1000);
  res.once('close', () => clearTimeout(deadline));
  if (pending?.state === 'waiting' && settings.refuseWith === 'close' && !isBadHandshake(code))
    await refuseByClose(shared, req, pending, refusal);
  else if (settings.onRefuse) await refuseByHook(shared, ends, refusal, settings.onRefuse);
  else answer(res, refusal);
}

async function refuseByHook<Req extends IncomingMessage>(
  { log }: Shared<Req>,
  { req, res, next }: Ends<Req>,
  refusal: TunnelError,
  onRefuse: NonNullable<Settings<Req>['onRefuse']>,
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
  { settings, lingering }: Shared<Req>,
  req: Req,
  pending: PendingUpgrade,
  refusal: TunnelError,
): Promise<void> {
  const { promise: closed, resolve: settle } = promiseOfClose();
  const waiting: Closable = { closed, destroy: () => req.socket.destroy() };
  const over = () => {
    lingering.delete(waiting);
    settle();
  };
  lingering.add(waiting);
  try {
    // A browser that offers subprotocols wants one of them.
    const { subprotocols } = readHandshake(req);
    const subprotocol = subprotocols.has('binary') ? 'binary' : [...subprotocols][0];
    const signal = AbortSignal.timeout(settings.handshakeTimeout * 1000);
    const { socket, head } = await upgrade(req, pending, subprotocol, undefined, signal);
    const ignoreIt = () => undefined;
    const handlers = { payload: ignoreIt, drain: ignoreIt, closing: ignoreIt, ended: ignoreIt, closed: over };
    const stream = new WebSocketStream(socket, settings, handlers);
    stream.start(head);
    stream.close(refusal.closeCode, refusal.body.trim());
  } catch {
    // The client left, the server stopped, or a session was not saved: the socket has been answered and ended.
    over();
  }
}

function infoOf(
  client: Client,
  backend: string,
  since: number,
  { bytesIn, bytesOut } = { bytesIn: 0, bytesOut: 0 },
): TunnelInfo {
  const { id, url, address, user } = client;
  return { id, url, address, ...(user !== undefined && { user }), backend, since, bytesIn, bytesOut };
}

function promiseOfClose(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}

function isBadHandshake(code: TunnelErrorCode): boolean {
  return code === 'WSTUNNEL_BAD_HANDSHAKE' || code === 'WSTUNNEL_WRONG_VERSION';
}

/** Anything but a refusal is a defect of ours: it costs this one request. */
function asRefusal(error: unknown): TunnelError {
  if (error instanceof TunnelError) return error;
  return new TunnelError('WSTUNNEL_HOOK_FAILED', messageOf(error), { cause: error });
}

/** Express keeps the whole URL while it strips the mount path from `url`. */
function urlOf(req: IncomingMessage): string {
  return (req as IncomingMessage & { originalUrl?: string }).originalUrl ?? req.url ?? '/';
}

/** `authenticate` may be what names the user: until then nobody may be known. */
function userSoFar<Req extends IncomingMessage>(settings: Settings<Req>, req: Req): string | undefined {
  try {
    return userOf(settings, req);
  } catch {
    return undefined;
  }
}

/** By the hook, else what Passport left on the request. */
function userOf<Req extends IncomingMessage>({ user }: Settings<Req>, req: Req): string | undefined {
  if (user) return user(req);
  const known = (req as { user?: unknown }).user;
  if (typeof known === 'string') return known;
  if (typeof known !== 'object' || known === null) return undefined;
  const { username, name, email, id } = known as Record<string, unknown>;
  const first = [username, name, email, id].find(
    (value) => typeof value === 'string' || typeof value === 'number',
  );
  return first === undefined ? undefined : String(first);
}

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Candidates } from '../backends/candidates.js';
import { failureOf, type Failure } from '../backends/failure.js';
import type { ResolvedHost } from '../backends/host.js';
import type { PooledHost } from '../backends/pooled-host.js';
import { proxyHeader } from '../backends/proxy-header.js';
import { claimStream, isStream } from '../backends/stream.js';
import { asRefusal, messageOf, TunnelError } from '../errors.js';
import { WebSocketStream, type CloseCause } from '../frames/websocket-stream.js';
import { checkAddress } from '../guard/address.js';
import { checkAuthResult } from '../guard/authenticate.js';
import { takePlace } from '../guard/limits.js';
import { checkOriginIsThere, checkOriginResult, comparisonOf } from '../guard/origin.js';
import { userOf, userSoFar } from '../guard/user.js';
import { defaultAddress, normalizeAddress } from '../request/address.js';
import { discard } from '../streams/discard.js';
import { hook } from './hook.js';
import { ignoreErrors } from '../streams/ignore-errors.js';
import { bothOf, type Lease } from '../helpers/lease.js';
import { originalPathOf } from '../request/path.js';
import { checkTrust, type Route } from './route.js';
import { redactUrl } from '../observe/redact.js';
import { readTarget } from '../options/hosts.js';
import type { RuleSettings } from '../options/options.js';
import { refuse, socketOf, tell } from './refuse.js';
import { Relay } from '../streams/relay.js';
import {
  infoOf,
  promiseOfClose,
  type Client,
  type Opening,
  type OpenTunnel,
  type Shared,
} from './context.js';
import type { BalanceRequest, Next } from '../types.js';
import { Attempt, draining } from '../upgrade/attempt.js';
import { checkStillWaiting, upgrade } from '../upgrade/claim.js';
import { readHandshake, type Handshake } from '../upgrade/handshake.js';
import { pendingOf } from '../upgrade/pending.js';
import { watch } from '../streams/watch.js';

/** Where to; a stream that `server` gave is the tunnel's to end. */
interface ChosenTarget {
  readonly hosts: readonly ResolvedHost[];
  readonly stream?: Duplex;
}

/** A backend that is connected, and its place in the load. */
interface Reached {
  readonly socket: Duplex;
  readonly host: PooledHost;
  readonly lease: Lease;
}

/**
 * Never rejects: nobody waits for it, and a rejection would end the process. What can fail without an answer is what an
 * answer needs, such as a `res` of the app's own that throws.
 */
export async function openTunnel<Req extends IncomingMessage>(
  shared: Shared,
  route: Route<Req>,
  req: Req,
  res: ServerResponse,
  next: Next,
): Promise<void> {
  try {
    await open(shared, route, req, res, next);
  } catch (error) {
    shared.log('tunnel', 'error', 'a request could not be answered: %s', messageOf(error));
    socketOf(req, res)?.destroy();
  }
}

/**
 * One tunnel, first byte to last. The request has passed the app's own middleware and has found its rules: guard it, choose
 * and dial a backend, accept with the 101, relay until both ends are closed. Whatever goes wrong before the 101 is a refusal;
 * rejects where that can't be answered.
 */
async function open<Req extends IncomingMessage>(
  shared: Shared,
  route: Route<Req>,
  req: Req,
  res: ServerResponse,
  next: Next,
): Promise<void> {
  const { settings } = route;
  const pending = pendingOf(req);
  const arrived = pending?.arrived ?? performance.now();
  const client: Client = { id: randomUUID(), url: '', address: '', user: undefined };
  const attempt = new Attempt(pending, settings.handshakeTimeout);
  const opening: Opening = {
    attempt,
    info: () => infoOf({ ...client, user: client.user ?? userSoFar(req, settings.user) }, '', Date.now()),
  };
  shared.attempts.add(opening);
  const started: Lease[] = [];
  let place: Lease | undefined;
  let target: ChosenTarget | undefined;
  let reached: Reached | undefined;
  try {
    // Getters of an app or its framework, which may throw: Express asks its `trust proxy` function for `ip`.
    client.url = redactUrl(urlOf(req));
    client.address = normalizeAddress(defaultAddress(req) ?? '');
    started.push(granted(shared.openings.start()));
    if (route.failure) throw route.failure;
    const handshake = readHandshake(req);
    if (shared.isDraining()) throw draining();
    if (!pending) throw shared.notAttached(req);

    await readAddress(settings, req, client, attempt.signal);
    started.push(shared.openings.startOf(client.address));
    await guard(settings, req, client, attempt.signal);
    const ended = shared.ends.refusalOf(opening.info(), arrived);
    if (ended) throw ended;
    place = await takePlace(shared.counter, shared.limits, client.address, attempt.signal);
    target = await chooseTarget(route, req, attempt.signal);
    reached = await reachBackend(shared, settings, req, client, target.hosts, attempt.signal);

    const subprotocol = await chooseSubprotocol(settings, handshake, req, attempt.signal);
    checkStillWaiting(pending, res);
    const claimed = await pending.claim(attempt.signal);
    // Now the backend is known as well.
    const late = shared.ends.refusalOf(infoOf(client, reached.host.id, Date.now()), arrived);
    if (late) attempt.abort(late);
    // From here to the end no turn is left to others: who is ended or drained is found among the attempts or the tunnels.
    const { socket, head } = upgrade(req, claimed, subprotocol, reached.socket, attempt.signal);
    const frameType = subprotocol === 'binary' ? 'binary' : settings.frameType;
    relay(shared, settings, client, { ...reached, place, client: socket, head, frameType });
  } catch (error) {
    if (reached) discard(reached.socket);
    reached?.lease.release();
    if (target?.stream) discard(target.stream);
    place?.release();
    shared.attempts.delete(opening);
    await refuse(shared, { settings, req, res, next, pending }, client, asRefusal(error));
  } finally {
    attempt.end();
    shared.attempts.delete(opening);
    for (const lease of started) lease.release();
  }
}

/** An upgrade that leads to this tunnel begins its way through the app: a place for it, or its refusal. */
export function startAtSeam(shared: Shared, req: IncomingMessage): Lease | TunnelError {
  const place = shared.openings.start();
  if (place instanceof TunnelError) {
    const address = normalizeAddress(req.socket.remoteAddress ?? '');
    tell(shared, { id: '', url: redactUrl(req.url ?? '/'), address, user: undefined }, place);
  }
  return place;
}

function granted(place: Lease | TunnelError): Lease {
  if (place instanceof TunnelError) throw place;
  return place;
}

/** By the hook, where there is one. */
async function readAddress<Req extends IncomingMessage>(
  { clientAddress }: RuleSettings<Req>,
  req: Req,
  client: Client,
  signal: AbortSignal,
): Promise<void> {
  if (!clientAddress) return;
  client.address = normalizeAddress((await hook('clientAddress', signal, () => clientAddress(req))) ?? '');
}

/** May this request have a tunnel? Address, then origin, then the app's own `authenticate`. */
async function guard<Req extends IncomingMessage>(
  settings: RuleSettings<Req>,
  req: Req,
  client: Client,
  signal: AbortSignal,
): Promise<void> {
  const { allow, deny, origins, authenticate, clientAddress, user } = settings;
  if ((allow ?? deny) && !clientAddress) checkTrust(req, allow ? 'allow' : 'deny');
  checkAddress(client.address, { allow, deny });
  checkOriginIsThere(req, origins.needed);
  const { origin } = req.headers;
  client.origin = origin;
  const mayOpen = await hook('origins', signal, () => origins.check(origin, req));
  checkOriginResult(mayOpen, () => comparisonOf(origin, origins.expected(req)));
  if (authenticate) checkAuthResult(await hook('authenticate', signal, () => authenticate(req, { signal })));
  client.user = await hook('user', signal, () => userOf(req, user));
}

/** The hosts that may serve this request. */
async function chooseTarget<Req extends IncomingMessage>(
  { server }: Route<Req>,
  req: Req,
  signal: AbortSignal,
): Promise<ChosenTarget> {
  if (typeof server !== 'function') return { hosts: server };
  let stream: Duplex | undefined;
  try {
    const target = await hook('server', signal, async () => {
      const promised: unknown = server(req, { signal });
      // It may fail a tick from now.
      if (isStream(promised)) ignoreErrors(promised);
      const given: unknown = await promised;
      if (!isStream(given)) return given;
      // Another tunnel's is not ours to destroy.
      stream = claimStream(given);
      // Nobody waits for it any more.
      if (signal.aborted) discard(given);
      return given;
    });
    if (target === undefined || target === null)
      throw new TunnelError('WSTUNNEL_NO_TARGET', 'there is no such tunnel');
    const hosts = await hook('server', signal, () => readTarget(target, 'the result of server()'));
    return stream ? { hosts, stream } : { hosts };
  } catch (error) {
    // The request may be aborted between the hook's end and our turn.
    if (stream) discard(stream);
    throw error;
  }
}

/** Picks and dials: a host that fails is left out for a while, and the strategy is asked again. */
async function reachBackend<Req extends IncomingMessage>(
  { pool, spawner, log }: Shared,
  { balance, stickyKey, handshakeTimeout }: RuleSettings<Req>,
  req: Req,
  { address }: Client,
  hosts: readonly ResolvedHost[],
  signal: AbortSignal,
): Promise<Reached> {
  const candidates = new Candidates(pool.statesOf(hosts));
  const { all } = candidates;
  const request: BalanceRequest<Req> = {
    ...{ req, address, all, path: originalPathOf(req) ?? '', authority: req.headers.host ?? '' },
    stickyKey: () => (stickyKey ? readKey(stickyKey(req)) : address),
  };
  const note = (host: PooledHost, why: string, failure: Failure, taken: number) => {
    const outage = pool.failed(host, why, failure, taken);
    log('backend', outage === 'known' ? 'debug' : 'warn', '%s failed: %s', host.id, why);
    if (outage === 'new' && !all.some(({ up }) => up)) log('backend', 'error', 'no backend is up any more');
    return outage;
  };
  let last: TunnelError | undefined;
  for (;;) {
    const next = candidates.next();
    if (next.length === 0) throw last ?? new TunnelError('WSTUNNEL_NO_BACKEND', 'no backend is up');
    const free = next.filter((host) => !host.full);
    if (free.length === 0)
      throw new TunnelError('WSTUNNEL_FULL', 'every backend has as many tunnels as it may have');
    const picked = await hook('balance.pick', signal, () => balance.pick(free, request));
    const host = free.find((candidate) => candidate === picked);
    if (!host) throw new TunnelError('WSTUNNEL_NO_BACKEND', 'no backend was chosen');
    // The strategy may have taken its time: others were served, or are trying this host, meanwhile.
    if (host.full || (!host.up && !host.isDue)) continue;
    const lease = pool.lease(host, balance);
    const trial = pool.tryOut(host);
    const since = performance.now();
    const { taken } = host;
    try {
      const dialled = await spawner.dial(host.host, signal, prefaceOf(host.host, req, address));
      pool.connected(host);
      return { socket: dialled.socket, host, lease: bothOf(dialled.lease, lease) };
    } catch (error) {
      lease.release();
      // Else one that never answers would be tried first for ever, where handshakeTimeout is below its connectTimeout.
      if (isHandshakeTimeout(error) && performance.now() - since >= (handshakeTimeout * 1000) / 2)
        note(host, 'it did not answer within handshakeTimeout', 'down', taken);
      if (signal.aborted || !isBackendFailure(error)) throw error;
      const failure = failureOfDial(error, host.host);
      const why = error.cause === undefined ? error.message : messageOf(error.cause);
      const outage = note(host, why, failure, taken);
      candidates.failed(host, failure === 'passing' && outage === 'none');
      last = error;
    } finally {
      trial.release();
    }
  }
}

/** What a failed dial says of its host. Of a stream of the app's own, `connect` is called once for each request. */
function failureOfDial({ code, cause }: TunnelError, { connect }: ResolvedHost): Failure {
  if (code === 'WSTUNNEL_EXHAUSTED') return 'ours';
  return connect || code !== 'WSTUNNEL_BACKEND_REFUSED' ? 'down' : failureOf(cause);
}

/** What the backend is told before anything else: who the client is. */
function prefaceOf(
  { proxyProtocol }: ResolvedHost,
  { socket }: IncomingMessage,
  address: string,
): Buffer | undefined {
  if (proxyProtocol === undefined) return undefined;
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
  return proxyHeader(proxyProtocol, {
    address,
    // Behind a proxy only its own port is known.
    port: normalizeAddress(remoteAddress) === address ? remotePort : 0,
    localAddress: normalizeAddress(localAddress),
    localPort,
  });
}

function isHandshakeTimeout(error: unknown): boolean {
  return error instanceof TunnelError && error.code === 'WSTUNNEL_HANDSHAKE_TIMEOUT';
}

function isBackendFailure(error: unknown): error is TunnelError {
  return (
    error instanceof TunnelError &&
    ['WSTUNNEL_BACKEND_REFUSED', 'WSTUNNEL_BACKEND_TIMEOUT', 'WSTUNNEL_EXHAUSTED'].includes(error.code)
  );
}

function readKey(key: unknown): string {
  if (typeof key === 'string') return key;
  throw new Error('stickyKey must return a string');
}

/** `binary` when offered, never required (RFC 6455 section 4.2.2 item 5.5). */
async function chooseSubprotocol<Req extends IncomingMessage>(
  { subprotocol }: RuleSettings<Req>,
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

/**
 * The tunnel is open. Nothing here may hold the request: it lives as long as the tunnel, which may be weeks.
 */
function relay<Req extends IncomingMessage>(
  shared: Shared,
  settings: RuleSettings<Req>,
  client: Client,
  ends: Reached & { place: Lease; client: Duplex; head: Buffer; frameType: 'binary' | 'text' },
): void {
  const { totals, open, log, announce } = shared;
  const { host, lease, place } = ends;
  // Each by its name: a copy of all settings would stay for every tunnel.
  const { pingInterval, pongTimeout, closeTimeout, drainTimeout, idleTimeout, maxDuration } = settings;
  const { readTimeout, writeTimeout } = host.host;
  const { buffered } = shared.limits;
  const { id } = client;
  const since = Date.now();
  // The clock on the wall may be set meanwhile.
  const start = performance.now();
  const info = () => infoOf(client, host.id, since, joined);
  const { promise: closed, resolve: settle } = promiseOfClose();
  const done = ({ code, reason }: CloseCause) => {
    lease.release();
    place.release();
    open.delete(tunnel);
    totals.closed(code, joined.bytesIn, joined.bytesOut);
    log('tunnel', 'info', '%s closed %d %s', id, code, reason);
    announce.close({ ...info(), code, reason, duration: (performance.now() - start) / 1000 });
    settle();
  };
  const stream: WebSocketStream = new WebSocketStream(
    ends.client,
    { pingInterval, pongTimeout, closeTimeout, drainTimeout, buffered, frameType: ends.frameType },
    {
      payload: (bytes, chunk) => joined.payload(bytes, chunk),
      drain: () => joined.drain(),
      closing: () => {
        unwatch();
        joined.closing();
      },
      ended: () => joined.ended(),
      closed: (cause) => joined.closed(cause),
      isDelivering: () => joined.isDelivering(),
      delivers: () => joined.delivers(),
    },
  );
  const joined: Relay<CloseCause> = new Relay<CloseCause>(
    ends.socket,
    { closeTimeout, drainTimeout, buffered },
    stream,
    done,
  );
  const limits = { idleTimeout, maxDuration, readTimeout, writeTimeout };
  const clientWriteTimeout = settings.writeTimeout;
  const unwatch = watch({ ...limits, clientWriteTimeout }, joined, (code, reason) => {
    if (code === 1006) stream.destroy(code, reason);
    else stream.cutOff(code, reason);
  });
  const tunnel: OpenTunnel = {
    info,
    closed,
    close: (code, reason) => stream.close(code, reason),
    cutOff: (code, reason) => stream.cutOff(code, reason),
    destroy: () => {
      stream.destroy(1006, 'destroyed by close()');
      joined.destroy();
    },
  };
  open.add(tunnel);
  totals.opened++;
  log('tunnel', 'info', '%s opened: %s from %s to %s', id, client.url, client.address, host.id);
  announce.open(info());
  stream.start(ends.head);
  joined.start();
}

/** Express keeps the whole URL while it strips the mount path from `url`. */
export function urlOf(req: IncomingMessage): string {
  return (req as IncomingMessage & { originalUrl?: string }).originalUrl ?? req.url ?? '/';
}

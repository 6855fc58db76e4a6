import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Candidates } from '../backends/candidates.js';
import { dial, dialAnd } from '../backends/dial.js';
import { failureOf, type Failure } from '../backends/failure.js';
import type { ResolvedHost } from '../backends/host.js';
import type { PooledHost } from '../backends/pooled-host.js';
import { proxyHeader } from '../backends/proxy-header.js';
import { claimStream, isStream } from '../backends/stream.js';
import { UnusableAnswer, type BackendAnswer } from '../backends/websocket/answer.js';
import { clientHandshake, ownHandshake } from '../backends/websocket/request-headers.js';
import { shakeHands } from '../backends/websocket/shake-hands.js';
import { messageOf, TunnelError } from '../errors.js';
import { isPromise, type AbortSource, type AbortState } from '../helpers/abort.js';
import { takeHostSlot } from '../guard/limits.js';
import { bothOf, UNCOUNTED, type Lease } from '../helpers/lease.js';
import { DYNAMIC } from '../observe/metrics/labels.js';
import { timeSince } from '../observe/story.js';
import { readServerResult, STREAM_ID } from '../options/read-hosts.js';
import type { RuleSettings } from '../options/settings.js';
import { normalizeAddress } from '../request/client-address.js';
import { originalPathOf } from '../request/path.js';
import { carrierOf } from '../streams/carrier.js';
import { discard } from '../streams/discard.js';
import { ignoreErrors } from '../streams/ignore-errors.js';
import type { BalanceRequest } from '../types.js';
import { payloadOf } from './backend-payload.js';
import type { ClientIdentity, TunnelContext } from './context.js';
import { hook } from './hook.js';
import type { Route } from './route.js';
import { takeOver, type HostSlot } from './take-over.js';
import type { VncLogin } from './vnc.js';
import { bareOf, isVncRefusal, logIn, reasonOf } from './vnc-login.js';

/** The hosts for one request. */
interface ChosenTarget {
  readonly hosts: readonly ResolvedHost[];
  /** A stream that `server()` returned: the tunnel owns the stream and must destroy it. */
  readonly stream?: Duplex;
}

/** A connection to a backend, with the lease of a slot at the host. */
export interface BackendConnection {
  readonly socket: Duplex;
  readonly host: PooledHost;
  readonly lease: Lease;
  /** Present if the backend speaks WebSocket in `frames` mode: `head` is the bytes of frames after the backend's 101 response. */
  readonly frames?: { readonly head: Buffer };
  /** What the backend has chosen in its 101 response, for the client's; only with `frames`. */
  readonly answer?: BackendAnswer;
}

/** The hosts that may serve this request. `granted`: those of its grant. Returns a promise only for a function. */
export function chooseTarget<Req extends IncomingMessage>(
  { server }: Route<Req>,
  req: Req,
  opening: AbortSource,
  granted: readonly ResolvedHost[] | undefined,
): ChosenTarget | Promise<ChosenTarget> {
  if (granted) return { hosts: granted };
  // A ticket without a target, for a path without `server`.
  if (server === undefined) throw noTarget();
  return typeof server === 'function' ? askServer(server, req, opening) : { hosts: server };
}

async function askServer<Req extends IncomingMessage>(
  server: Extract<Route<Req>['server'], CallableFunction>,
  req: Req,
  opening: AbortSource,
): Promise<ChosenTarget> {
  const { signal } = opening;
  let stream: Duplex | undefined;
  try {
    const target = await hook('server', opening, async () => {
      const promised: unknown = server(req, { signal });
      // A stream may fail before the promise is resolved.
      if (isStream(promised)) ignoreErrors(promised);
      const given: unknown = await promised;
      if (!isStream(given)) return given;
      // Throws for a stream of another tunnel, which this tunnel must not destroy.
      stream = claimStream(given);
      // After an abort the hook's result is dropped.
      if (signal.aborted) discard(given);
      return given;
    });
    if (target === undefined || target === null) throw noTarget();
    const hosts = await hook('server', opening, () => readServerResult(target, 'the result of server()'));
    return stream ? { hosts, stream } : { hosts };
  } catch (error) {
    // The request may have been aborted after the end of the hook and before this code ran.
    if (stream) discard(stream);
    throw error;
  }
}

function noTarget(): TunnelError {
  return new TunnelError('WSTUNNEL_NO_TARGET', 'there is no such tunnel');
}

/** Picks a host and dials that host. After a failure the host is left out for a while, and the strategy picks again. */
export async function reachBackend<Req extends IncomingMessage>(
  context: TunnelContext,
  settings: RuleSettings<Req>,
  req: Req,
  client: ClientIdentity,
  hosts: readonly ResolvedHost[],
  signal: AbortState,
  login?: VncLogin,
): Promise<BackendConnection> {
  const { balance, stickyKey, handshakeTimeout } = settings;
  const { address, user, story } = client;
  const { pool, spawner, log, totals, loginPauses } = context;
  const candidates = new Candidates(pool.statesOf(hosts));
  const { all } = candidates;
  const request: BalanceRequest<Req> = {
    req,
    address,
    all,
    path: originalPathOf(req) ?? '',
    authority: req.headers.host ?? '',
    stickyKey: () => (stickyKey ? readKey(stickyKey(req)) : address),
  };
  const note = (host: PooledHost, why: string, failure: Failure, taken: number) => {
    // A lack of resources on this machine is no failure of the backend.
    if (failure !== 'ours') totals.counts.backendFailures.add(pool.isListed(host) ? host.id : DYNAMIC);
    const outage = pool.failed(host, why, failure, taken);
    if (outage === 'new') context.network?.hostChanged();
    client.failed = { backend: host.id, failure: why };
    const level = outage === 'known' ? 'debug' : 'warn';
    log('backend', level, '%s backend %s failed: %s', client.id, host.id, why);
    if (outage === 'new' && !all.some(({ up }) => up))
      log('backend', 'error', '%s all backends are down', client.id);
    return outage;
  };
  const connected = (host: PooledHost, since: number) => {
    totals.counts.connectSeconds.observe((performance.now() - since) / 1000);
    if (!login) pool.connected(host);
  };
  /** A VNC server that accepts connections and never answers is down: it is up again by its answer, a refusal too. */
  const loggedIn = async (host: PooledHost, socket: Duplex, start: number): Promise<Duplex> => {
    if (!login) return socket;
    try {
      const stream = await logIn(client, host.host, socket, login, signal, start);
      pool.connected(host);
      return stream;
    } catch (error) {
      if (isVncRefusal(error)) pool.connected(host);
      throw error;
    }
  };
  let last: TunnelError | undefined;
  /** Hosts that the tunnels of other processes have filled. */
  const full = new Set<PooledHost>();
  for (;;) {
    const next = candidates.next();
    if (next.length === 0) {
      story?.tell('backend', 'no host is left to try: %s', listOf(all));
      throw last ?? new TunnelError('WSTUNNEL_NO_BACKEND', 'no backend is up');
    }
    const free = next.filter((host) => !host.full && !full.has(host));
    let slot: HostSlot | undefined;
    if (free.length === 0) {
      slot = await takeOver(context, next, user, balance, signal);
      if (!slot) throw new TunnelError('WSTUNNEL_FULL', 'all backends are at their tunnel limit');
      story?.tell('backend', '%s is full: an older tunnel of the user ends', slot.host.id);
    } else {
      const picking = hook('balance.pick', signal, () => balance.pick(free, request));
      const picked = isPromise(picking) ? await picking : picking;
      const host = free.find((candidate) => candidate === picked);
      if (!host) throw new TunnelError('WSTUNNEL_NO_BACKEND', 'no backend was chosen');
      story?.tell('backend', 'the option balance chose %s from %s', host.id, listOf(all));
      // While the strategy was choosing, other requests may have filled this host or begun to try it.
      if (host.full || (!host.up && !host.isDue)) continue;
      const taking = takeShared(context, host, signal);
      const shared = isPromise(taking) ? await taking : taking;
      if (!shared) {
        full.add(host);
        story?.tell('backend', '%s is full, with the tunnels of other processes', host.id);
        continue;
      }
      slot = { host, lease: bothOf(shared, pool.lease(host, balance)) };
    }
    const { host, lease } = slot;
    const trial = pool.tryOut(host);
    const since = performance.now();
    const { taken } = host;
    let processLease: Lease | undefined;
    try {
      const preface = prefaceOf(host.host, req, address);
      const dialled = login ? bareOf(host.host) : host.host;
      const open = async (): Promise<BackendConnection> => {
        const start = performance.now();
        if (host.host.spawn === undefined) {
          const connection = await connectTo(context, settings, dialled, { req, address }, signal, preface);
          connected(host, since);
          story?.tell(
            'backend',
            'connected to %s after %s',
            endOf(connection.socket, host.id),
            timeSince(since),
          );
          if (!login) return { ...connection, host, lease };
          return { socket: await loggedIn(host, connection.socket, start), host, lease };
        }
        const process = await spawner.dial(dialled, signal, preface);
        processLease = process.lease;
        connected(host, since);
        story?.tell('backend', 'connected to the program %s after %s', host.id, timeSince(since));
        // The start of the program has limits of its own.
        const socket = await loggedIn(host, process.socket, performance.now());
        return { socket, host, lease: bothOf(process.lease, lease) };
      };
      // Streams that `server` returns have one id, and may lead to different VNC servers.
      return await (login && host.id !== STREAM_ID ? loginPauses.run(host.id, login, open) : open());
    } catch (error) {
      processLease?.release();
      lease.release();
      // If handshakeTimeout is below connectTimeout, a host that never answers would otherwise be tried first forever.
      if (isHandshakeTimeout(error) && performance.now() - since >= (handshakeTimeout * 1000) / 2)
        note(host, 'no answer within handshakeTimeout', 'down', taken);
      if (isVncRefusal(error)) {
        client.failed = { backend: host.id, failure: reasonOf(error) };
        log('backend', 'warn', '%s backend %s: %s', client.id, host.id, client.failed.failure);
      }
      const isAnswered = isAnswer(error);
      if (isAnswered) pool.connected(host);
      if (signal.aborted || !isBackendFailure(error)) throw error;
      if (isAnswered) {
        client.failed = { backend: host.id, failure: messageOf(error.cause) };
        log('backend', 'warn', '%s backend %s: %s', client.id, host.id, client.failed.failure);
        candidates.failed(host, false);
        last = error;
        continue;
      }
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

/** Some of the hosts: a list may have thousands. */
const MOST_LISTED = 8;

function listOf(hosts: readonly PooledHost[]): string {
  const shown = hosts
    .slice(0, MOST_LISTED)
    .map(
      ({ id, up, full, load }) =>
        `${id} (${up ? (full ? 'full' : `load ${load}`) : 'left out after a failure'})`,
    );
  if (hosts.length > MOST_LISTED) shown.push('...');
  return shown.join(', ');
}

/** The other end of a connection: the address that a name was resolved to. */
function endOf(socket: Duplex, id: string): string {
  const { remoteAddress, remotePort } = carrierOf(socket) as { remoteAddress?: string; remotePort?: number };
  return remoteAddress === undefined ? id : `${id} at ${remoteAddress} port ${remotePort ?? '?'}`;
}

/** Dials a host that is not a program; for a backend that speaks WebSocket up to its 101 response. */
async function connectTo<Req extends IncomingMessage>(
  { limits: { buffered } }: TunnelContext,
  settings: RuleSettings<Req>,
  host: ResolvedHost,
  { req, address }: { readonly req: Req; readonly address: string },
  signal: AbortState,
  preface: Buffer | undefined,
): Promise<Omit<BackendConnection, 'host' | 'lease'>> {
  const { websocket } = host;
  if (!websocket) return { socket: await dial(host, signal, preface) };
  const isPassed = websocket.mode === 'frames';
  // The payload of compressed frames can't be recorded. Which tunnels are recorded is decided later, when the backend is known.
  const passesExtensions = settings.record === undefined;
  const handshake = isPassed
    ? clientHandshake(websocket, req, address, passesExtensions)
    : ownHandshake(websocket);
  return dialAnd(host, signal, preface, async (socket, within) => {
    const { answer, head } = await shakeHands(socket, handshake, websocket.passStatus, within);
    if (isPassed) return { socket, frames: { head }, answer };
    const { pingInterval, pongTimeout, closeTimeout, drainTimeout } = settings;
    return {
      socket: payloadOf(socket, head, { pingInterval, pongTimeout, closeTimeout, drainTimeout, buffered }),
    };
  });
}

/** A slot at a host among all processes that share the state; undefined if none is free. */
function takeShared(
  { network, counter }: TunnelContext,
  { host: { maxTunnels }, sharedId }: PooledHost,
  signal: AbortState,
): Lease | undefined | Promise<Lease | undefined> {
  if (!network || sharedId === undefined) return UNCOUNTED;
  // Counted without a limit too, for a limit of reloaded options.
  return takeHostSlot(counter, sharedId, maxTunnels === 0 ? Infinity : maxTunnels, signal);
}

/** The effect of a failed dial on the state of the host. The app's `connect` is called once for each request. */
function failureOfDial({ code, cause }: TunnelError, { connect }: ResolvedHost): Failure {
  if (code === 'WSTUNNEL_EXHAUSTED') return 'ours';
  return connect || code !== 'WSTUNNEL_BACKEND_REFUSED' ? 'down' : failureOf(cause);
}

/** The header of the PROXY protocol, by which the backend learns the client's address before all other bytes. */
function prefaceOf(
  { proxyProtocol }: ResolvedHost,
  { socket }: IncomingMessage,
  address: string,
): Buffer | undefined {
  if (proxyProtocol === undefined) return undefined;
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
  return proxyHeader(proxyProtocol, {
    address,
    // After a proxy, `remotePort` is the proxy's port, and the client's port is unknown.
    port: normalizeAddress(remoteAddress) === address ? remotePort : 0,
    localAddress: normalizeAddress(localAddress),
    localPort,
  });
}

function isHandshakeTimeout(error: unknown): boolean {
  return error instanceof TunnelError && error.code === 'WSTUNNEL_HANDSHAKE_TIMEOUT';
}

/** Has the backend answered, so that the refusal is no sign of an outage? */
function isAnswer(error: unknown): boolean {
  if (!(error instanceof TunnelError)) return false;
  return error.code === 'WSTUNNEL_BACKEND_ANSWERED' || error.cause instanceof UnusableAnswer;
}

/** May another host serve the request? */
function isBackendFailure(error: unknown): error is TunnelError {
  return (
    error instanceof TunnelError &&
    !(error.cause instanceof UnusableAnswer && error.cause.isFinal) &&
    ['WSTUNNEL_BACKEND_REFUSED', 'WSTUNNEL_BACKEND_TIMEOUT', 'WSTUNNEL_EXHAUSTED'].includes(error.code)
  );
}

function readKey(key: unknown): string {
  if (typeof key === 'string') return key;
  throw new Error('stickyKey must return a string');
}

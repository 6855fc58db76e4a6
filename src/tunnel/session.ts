import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { PooledHost } from '../backends/pooled-host.js';
import { WebSocketStream, type StreamHandlers, type StreamSettings } from '../frames/websocket-stream.js';
import { deferred, type Deferred } from '../helpers/deferred.js';
import { flatCopy } from '../helpers/flat-copy.js';
import type { Lease } from '../helpers/lease.js';
import type { RevalidateSettings, RuleSettings } from '../options/settings.js';
import { endingOf, type Ending } from '../streams/close-causes.js';
import { Relay, type RelayOwner, type RelaySettings } from '../streams/relay.js';
import { Watch, type WatchLimits, type WatchOwner } from '../streams/watch.js';
import type { TunnelInfo } from '../types.js';
import type { KeptRequest } from '../upgrade/kept-request.js';
import { infoOf, type ClientIdentity, type OpenTunnel, type TunnelContext } from './context.js';
import type { CheckedTunnel, OpenLogin } from './login/open-login.js';
import type { BackendConnection } from './reach.js';

/** The two connections of a tunnel, and the slots to release at the end. */
interface SessionEnds extends BackendConnection {
  readonly slot: Lease;
  readonly client: Duplex;
  /** Bytes that the client sent after the request. */
  readonly head: Buffer;
  readonly frameType: 'binary' | 'text';
  /** Undefined unless `revalidate` is on. */
  readonly kept: KeptRequest | undefined;
  /** The arrival of the request, by `performance.now()`. */
  readonly arrived: number;
}

/** The settings of one open tunnel. */
type SessionSettings = StreamSettings & RelaySettings & WatchLimits;

/**
 * Relays after the 101 response until both ends are closed: counts, logs and announces the tunnel, and enforces the time
 * options.
 */
export function startSession<Req extends IncomingMessage>(
  context: TunnelContext,
  settings: RuleSettings<Req>,
  client: ClientIdentity,
  ends: SessionEnds,
): void {
  // Only the settings that an open tunnel needs: a copy of all settings for each tunnel would cost memory.
  const { pingInterval, pongTimeout, closeTimeout, drainTimeout, idleTimeout, maxDuration } = settings;
  const { readTimeout, writeTimeout } = ends.host.host;
  const { buffered } = context.limits;
  const clientWriteTimeout = settings.writeTimeout;
  // No spread: V8 would make a hidden class for each object.
  const own: SessionSettings = {
    frameType: ends.frameType,
    buffered,
    pingInterval,
    pongTimeout,
    closeTimeout,
    drainTimeout,
    idleTimeout,
    maxDuration,
    readTimeout,
    writeTimeout,
    clientWriteTimeout,
  };
  const session = new Session(context, own, client, ends);
  if (ends.kept) session.checkLogin(ends.kept, settings.revalidate, ends.arrived);
  session.start(ends.head);
}

/**
 * An open tunnel. A tunnel may be open for weeks: no reference to the request, its headers or the response may remain. The class
 * has methods because closures would cost each tunnel several kilobytes.
 */
class Session implements OpenTunnel, StreamHandlers, RelayOwner, WatchOwner, CheckedTunnel {
  readonly #context: TunnelContext;
  readonly arrived: number;
  readonly #id: string;
  readonly #url: string;
  readonly #address: string;
  readonly #user: string | undefined;
  readonly #host: PooledHost;
  readonly #lease: Lease;
  readonly #slot: Lease;
  readonly #since = Date.now();
  // The system clock may be set while the tunnel is open: the duration needs the monotonic clock.
  readonly #start = performance.now();
  readonly #stream: WebSocketStream;
  readonly #relay: Relay;
  readonly #watch: Watch;
  /** Undefined unless `revalidate` is on. */
  #login: OpenLogin | undefined;
  /** Created by the first call of `untilClosed`. */
  #closed: Deferred<void> | undefined;

  constructor(
    context: TunnelContext,
    settings: SessionSettings,
    { id, url, address, user }: ClientIdentity,
    { client, socket, host, lease, slot, arrived }: SessionEnds,
  ) {
    this.#context = context;
    this.arrived = arrived;
    this.#id = id;
    this.#url = flatCopy(url);
    this.#address = flatCopy(address);
    this.#user = user === undefined ? undefined : flatCopy(user);
    this.#host = host;
    this.#lease = lease;
    this.#slot = slot;
    this.#stream = new WebSocketStream(client, settings, this);
    this.#relay = new Relay(socket, settings, this.#stream, this);
    this.#watch = new Watch(settings, this.#relay, this);
  }

  start(head: Buffer): void {
    const { totals, open, log, announce } = this.#context;
    open.add(this);
    totals.opened++;
    log('tunnel', 'info', '%s opened: %s from %s to %s', this.#id, this.#url, this.#address, this.#host.id);
    if (announce.hears('open')) announce.open(this.info());
    this.#stream.start(head);
    this.#relay.start();
  }

  checkLogin(request: KeptRequest, settings: RevalidateSettings, arrived: number): void {
    this.#login = this.#context.logins.add(this, request, settings, arrived);
  }

  get id(): string {
    return this.#id;
  }

  get sharedHost(): string | undefined {
    return this.#host.sharedId;
  }

  get user(): string | undefined {
    return this.#user;
  }

  get client(): string {
    return this.#user ?? this.#address;
  }

  get bytesIn(): number {
    return this.#relay.bytesIn;
  }

  loginEnded(ending: Ending): void {
    this.#stream.cutOff(ending);
  }

  #stopChecks(): void {
    if (this.#login) this.#context.logins.remove(this.#login);
    this.#login = undefined;
  }

  info(): TunnelInfo {
    const client = { id: this.#id, url: this.#url, address: this.#address, user: this.#user };
    return infoOf(client, this.#host.id, this.#since, this.#relay);
  }

  get isOpen(): boolean {
    return this.#stream.closing.state === 'open';
  }

  untilClosed(): Promise<void> {
    // `destroy` may have ended the tunnel in the same event-loop turn.
    if (!this.#context.open.has(this)) return Promise.resolve();
    this.#closed ??= deferred();
    return this.#closed.promise;
  }

  close(code: number, reason: string): void {
    this.#stream.close(endingOf('drain', reason, code));
  }

  cutOff(code: number, reason: string): void {
    this.#stream.cutOff(endingOf('ended-by-app', reason, code));
  }

  replace(reason: string): void {
    this.#stream.cutOff(endingOf('replaced', reason));
  }

  destroy(): void {
    this.#stream.destroy(endingOf('destroyed', 'destroyed by close()'));
    this.#relay.destroy();
  }

  /** A time limit has passed. */
  expired(ending: Ending): void {
    if (ending.cause === 'client-stalled') this.#stream.destroy(ending);
    else this.#stream.cutOff(ending);
  }

  payload(bytes: Buffer, chunk: Buffer | undefined): void {
    this.#relay.payload(bytes, chunk);
  }

  drain(): void {
    this.#relay.drain();
  }

  closing(): void {
    this.#watch.stop();
    this.#stopChecks();
    this.#relay.closing();
  }

  ended(): void {
    this.#relay.ended();
  }

  flush(): void {
    this.#relay.flush();
  }

  isDelivering(): boolean {
    return this.#relay.isDelivering();
  }

  sampleDelivery(now: number): boolean {
    return this.#relay.sampleDelivery(now);
  }

  closed(ending: Ending): void {
    this.#relay.closed(ending);
  }

  done({ cause, code, reason }: Ending): void {
    const { totals, open, log, announce } = this.#context;
    this.#stopChecks();
    this.#lease.release();
    this.#slot.release();
    open.delete(this);
    totals.closed(code, this.#relay.bytesIn, this.#relay.bytesOut);
    log('tunnel', 'info', '%s closed %d %s', this.#id, code, reason);
    const duration = (performance.now() - this.#start) / 1000;
    if (announce.hears('close')) announce.close({ ...this.info(), cause, code, reason, duration });
    this.#closed?.resolve();
  }
}

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TunnelRow } from '../admin/tunnel-row.js';
import type { PooledHost } from '../backends/pooled-host.js';
import { FramePassage, type PassageOwner } from '../frames/frame-passage.js';
import type { StreamSettings } from '../frames/websocket-stream.js';
import { deferred, type Deferred } from '../helpers/deferred.js';
import { flatCopy } from '../helpers/flat-copy.js';
import type { Lease } from '../helpers/lease.js';
import type { OpenSums } from '../observe/metrics/open-sums.js';
import type { RevalidateSettings, RuleSettings } from '../options/settings.js';
import { CLOSE, endingOf, type Ending } from '../streams/close-causes.js';
import type { RelaySettings } from '../streams/relay.js';
import { Watch, type WatchLimits, type WatchOwner } from '../streams/watch.js';
import type { CloseCause, TunnelInfo, TunnelTimings } from '../types.js';
import type { KeptRequest } from '../upgrade/kept-request.js';
import { BytePassage } from './byte-passage.js';
import {
  infoOf,
  type ClientIdentity,
  type OpenTunnel,
  type TunnelContext,
  type Writable,
} from './context.js';
import type { Control } from './control.js';
import { ControlledPassage } from './controlled-passage.js';
import type { CheckedTunnel, OpenLogin } from './login/open-login.js';
import type { BackendConnection } from './reach.js';
import type { Recording } from './recording.js';
import { textOfRights, type VncRights } from './rights.js';
import { millisecondsOf, secondsSince } from './timings.js';
import { filterOf } from './vnc.js';

/** The two connections of a tunnel, and the slots to release at the end. */
interface SessionEnds extends BackendConnection {
  readonly slot: Lease;
  readonly client: Duplex;
  /** Bytes that the client sent after the request. */
  readonly head: Buffer;
  readonly frameType: 'binary' | 'text';
  /** Undefined unless `revalidate` is on. */
  readonly kept: KeptRequest | undefined;
  /** Undefined unless the tunnel is recorded. */
  readonly recording: Recording | undefined;
  /** Undefined without the option `control`. */
  readonly control: Control | undefined;
  /** The arrival of the request, by `performance.now()`. */
  readonly arrived: number;
  /** Undefined if all bytes pass unchanged. */
  readonly rights: VncRights | undefined;
}

const OPENED = '%s opened: %s from %s to %s, 101 response after %d ms';
const CLOSING = '%s closing %d by %s (%s) "%s"';
const CLOSED = '%s closed %d by %s (%s) "%s", %d bytes from the client, %d to the client, open for %d s';

/** Bytes of a frame's rest that pass to the client after the recorder has failed. */
const MOST_UNRECORDED = 65_536;

/** The settings of one open tunnel. */
type SessionSettings = StreamSettings & RelaySettings & WatchLimits;

function passageOf(
  { client, socket, frames, answer, control }: SessionEnds,
  settings: SessionSettings,
  owner: Session,
): BytePassage | FramePassage {
  if (control) return new ControlledPassage(client, socket, settings, owner, control);
  if (!frames) return new BytePassage(client, socket, settings, owner);
  const hasExtensions = answer?.extensions !== undefined;
  return new FramePassage(client, { socket, head: frames.head, hasExtensions }, settings, owner);
}

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
  const { noteRoundTrip } = context.totals.counts;
  const clientWriteTimeout = settings.writeTimeout;
  // No spread: V8 would make a hidden class for each object.
  const own: SessionSettings = {
    frameType: ends.frameType,
    buffered,
    pingInterval,
    pongTimeout,
    noteRoundTrip,
    closeTimeout,
    drainTimeout,
    idleTimeout,
    maxDuration,
    readTimeout,
    writeTimeout,
    clientWriteTimeout,
    inputIdleTimeout: ends.rights?.inputIdleTimeout ?? 0,
    tap: ends.recording,
    filter: ends.rights && filterOf(ends.rights),
  };
  const session = new Session(context, own, client, ends);
  if (ends.kept) session.checkLogin(ends.kept, settings.revalidate, ends.arrived);
  session.start(ends.head);
}

/**
 * An open tunnel. A tunnel may be open for weeks: no reference to the request, its headers or the response may remain. The class
 * has methods because closures would cost each tunnel several kilobytes.
 */
class Session implements OpenTunnel, PassageOwner, WatchOwner, CheckedTunnel {
  readonly #context: TunnelContext;
  readonly arrived: number;
  readonly #id: string;
  readonly #url: string;
  readonly #address: string;
  readonly #user: string | undefined;
  readonly #viewOnly: boolean;
  /** See {@link textOfRights}. */
  readonly rights: string | undefined;
  readonly #host: PooledHost;
  readonly #lease: Lease;
  readonly #slot: Lease;
  readonly #since = Date.now();
  // The system clock may be set while the tunnel is open: the duration needs the monotonic clock.
  readonly #start = performance.now();
  readonly #passage: BytePassage | FramePassage;
  readonly #watch: Watch;
  readonly #recording: Recording | undefined;
  readonly #timings: Writable<TunnelTimings>;
  /** Undefined unless `revalidate` is on. */
  #login: OpenLogin | undefined;
  /** Created by the first call of `untilClosed`. */
  #closed: Deferred<void> | undefined;

  constructor(
    context: TunnelContext,
    settings: SessionSettings,
    { id, url, address, user, timings = {} }: ClientIdentity,
    ends: SessionEnds,
  ) {
    const { host, lease, slot, arrived, recording, rights } = ends;
    this.#context = context;
    this.arrived = arrived;
    this.#id = id;
    this.#url = flatCopy(url);
    this.#address = flatCopy(address);
    this.#user = user === undefined ? undefined : flatCopy(user);
    this.#viewOnly = rights?.viewOnly === true;
    this.rights = textOfRights(rights);
    this.#host = host;
    this.#lease = lease;
    this.#slot = slot;
    this.#recording = recording;
    this.#timings = timings;
    this.#passage = passageOf(ends, settings, this);
    this.#watch = new Watch(settings, this.#passage, this);
  }

  start(head: Buffer): void {
    const { totals, open, log, announce } = this.#context;
    open.add(this);
    totals.opened++;
    totals.counts.noteOpening('opened', this.arrived);
    const { opening } = this.#timings;
    log('tunnel', 'info', OPENED, this.#id, this.#url, this.#address, this.#host.id, millisecondsOf(opening));
    if (announce.hears('open')) announce.open({ ...this.info(), timings: { ...this.#timings } });
    this.#recording?.belongTo(this);
    this.#passage.start(head);
  }

  firstByte(): void {
    this.#timings.firstByte = secondsSince(this.#start);
    const time = millisecondsOf(this.#timings.firstByte);
    this.#context.log('tunnel', 'debug', '%s first byte of the backend %d ms after the 101', this.#id, time);
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
    return this.#passage.bytesIn;
  }

  /** The recorder or the option `control` has failed. Only a short rest of a frame may pass without being recorded, so that a Close can follow. */
  cutOffBy(ending: Ending): void {
    const passage = this.#passage;
    if (passage.beforeClose > MOST_UNRECORDED) passage.destroy({ ...ending, code: CLOSE.abnormal });
    else passage.cutOff(ending);
  }

  loginEnded(ending: Ending): void {
    this.#passage.cutOff(ending);
  }

  #stopChecks(): void {
    if (this.#login) this.#context.logins.remove(this.#login);
    this.#login = undefined;
  }

  info(): TunnelInfo {
    const [id, url, address, user] = [this.#id, this.#url, this.#address, this.#user];
    const client = { id, url, address, user, viewOnly: this.#viewOnly };
    return infoOf(client, this.#host.id, this.#since, this.#passage);
  }

  addTo(sums: OpenSums): void {
    const passage = this.#passage;
    sums.add(
      this.#host.id,
      passage.bytesIn,
      passage.bytesOut,
      passage.queuedToBackend,
      passage.queuedToClient,
    );
  }

  sample(row: TunnelRow): void {
    const passage = this.#passage;
    row.bytesIn = passage.bytesIn;
    row.bytesOut = passage.bytesOut;
    row.queued = passage.queuedToBackend + passage.queuedToClient;
    row.roundTrip = passage.roundTrip;
  }

  get isOpen(): boolean {
    return this.#passage.isOpen;
  }

  untilClosed(): Promise<void> {
    // `destroy` may have ended the tunnel in the same event-loop turn.
    if (!this.#context.open.has(this)) return Promise.resolve();
    this.#closed ??= deferred();
    return this.#closed.promise;
  }

  close(code: number, reason: string): void {
    this.#passage.close(endingOf('drain', reason, code));
  }

  cutOff(code: number, reason: string): void {
    this.#passage.cutOff(endingOf('ended-by-app', reason, code));
  }

  replace(reason: string): void {
    this.#passage.cutOff(endingOf('replaced', reason));
  }

  destroy(): void {
    this.#passage.destroy(endingOf('destroyed', 'destroyed by close()'));
  }

  /** A time limit has passed. */
  expired(ending: Ending): void {
    if (ending.cause === 'client-stalled') this.#passage.dropClient(ending);
    else this.#passage.cutOff(ending);
  }

  closing(ending: Ending | undefined): void {
    if (ending) {
      const { cause, code, reason } = ending;
      this.#context.log('tunnel', 'debug', CLOSING, this.#id, code, enderOf(cause), cause, reason);
    }
    this.#watch.stop();
    this.#stopChecks();
  }

  done({ cause, code, reason }: Ending): void {
    const { totals, open, announce } = this.#context;
    this.#stopChecks();
    this.#lease.release();
    this.#slot.release();
    open.delete(this);
    totals.closed(code, this.#passage.bytesIn, this.#passage.bytesOut);
    const duration = (performance.now() - this.#start) / 1000;
    totals.counts.noteClosed(cause, code, duration);
    this.#tellEnd(cause, code, reason, duration);
    if (announce.hears('close')) {
      const timings = { ...this.#timings };
      announce.close({ ...this.info(), timings, cause, code, reason, duration });
    }
    this.#recording?.end(this.info());
    this.#closed?.resolve();
  }

  #tellEnd(cause: CloseCause, code: number, reason: string, duration: number): void {
    const { bytesIn, bytesOut } = this.#passage;
    const seconds = Math.round(duration * 1000) / 1000;
    const who = enderOf(cause);
    this.#context.log(
      'tunnel',
      'info',
      CLOSED,
      this.#id,
      code,
      who,
      cause,
      reason,
      bytesIn,
      bytesOut,
      seconds,
    );
  }
}

/** Which side ended the tunnel? */
function enderOf(cause: CloseCause): string {
  if (cause === 'client-closed' || cause === 'client-ended' || cause === 'client-lost') return 'the client';
  if (cause === 'backend-closed' || cause === 'backend-ended' || cause === 'backend-failed')
    return 'the backend';
  return 'the tunnel';
}

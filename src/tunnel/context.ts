import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RefusalList } from '../admin/refusal-list.js';
import type { BackendPool } from '../backends/pool.js';
import type { Spawner } from '../backends/spawn/spawner.js';
import type { TunnelError } from '../errors.js';
import type { Counter } from '../guard/counter.js';
import type { CountLimits, OpeningCounter, TunnelLimits } from '../guard/limits.js';
import type { RecentEnds } from '../guard/recent-ends.js';
import type { Log } from '../observe/log.js';
import type { Story } from '../observe/story.js';
import type { Totals } from '../observe/totals.js';
import type { RuleSettings } from '../options/settings.js';
import type { Members, SharedTunnel } from '../shared/members.js';
import type { Network } from '../shared/network.js';
import type { Tickets } from '../shared/tickets.js';
import type { ClosedInfo, Next, RefuseInfo, TunnelInfo, TunnelTimings } from '../types.js';
import type { LoginPauses } from '../vnc/login-pauses.js';
import type { LoginChecks } from './login/login-checks.js';
import type { OpeningAttempt } from '../upgrade/opening-attempt.js';
import type { PendingUpgrade } from '../upgrade/pending-upgrade.js';

/** The state shared by all connections of one tunnel object. */
export interface TunnelContext {
  /** The option `name`. */
  readonly name: string | undefined;
  readonly limits: TunnelLimits & { readonly buffered: number; readonly sharedOpening: CountLimits };
  readonly counter: Counter;
  readonly openingCounter: OpeningCounter;
  /** Recent calls of `end()`: requests that arrived earlier must not open. */
  readonly ends: RecentEnds;
  readonly pool: BackendPool;
  readonly spawner: Spawner;
  readonly totals: Totals;
  /** The latest refusals, for `admin()`. */
  readonly refusals: RefusalList;
  readonly log: Log;
  /** Requests before the 101 response; aborted by `close()` and `end()`. */
  readonly opening: Set<OpeningRequest>;
  /** Upgrades that lead to this tunnel object, and are still inside the app's middleware. */
  readonly inApp: { count: number };
  readonly open: Set<OpenTunnel>;
  /** This tunnel object and the others with the same state. */
  readonly members: Members;
  /** The other processes that share the state, if any. */
  readonly network: Network | undefined;
  /** Unused tickets of all tunnel objects with the same state. */
  readonly tickets: Tickets;
  /** The pauses after passwords that VNC servers have rejected. */
  readonly loginPauses: LoginPauses;
  /** Sockets that were upgraded only to receive the Close of a refusal. */
  readonly refusing: Set<Closable>;
  /** The checks of the option `revalidate`. */
  readonly logins: LoginChecks;
  /** Recordings whose tunnel has ended, and which are not finished yet. The promises never reject. */
  readonly recordings: Set<Promise<void>>;
  readonly isDraining: () => boolean;
  /** The refusal of an upgrade that arrived as an ordinary request, because the tunnel was not attached to the server. */
  readonly notAttached: (req: IncomingMessage) => TunnelError;
  readonly announce: {
    /** Does the app listen? Otherwise no object has to be made for the event. */
    hears(event: 'open' | 'close'): boolean;
    open(info: TunnelInfo): void;
    close(info: ClosedInfo): void;
    refuse(info: RefuseInfo): void;
  };
}

/** A connection whose end `close()` awaits until the timeout, and then destroys. */
export interface Closable {
  /** Resolves when the connection is closed. */
  untilClosed(): Promise<void>;
  destroy(): void;
}

/** A request before the 101 response. */
export interface OpeningRequest {
  readonly attempt: OpeningAttempt;
  /** By `performance.now()`. */
  readonly arrived: number;
  /** Address and user as far as known, and an empty `backend`. */
  info(): TunnelInfo;
}

/** A tunnel after the 101 response, until the end. */
export interface OpenTunnel extends Closable, SharedTunnel {
  /** False once a Close was sent or received, or a connection ended. */
  readonly isOpen: boolean;
  info(): TunnelInfo;
  /** Sends Close. Bytes that the client sends before answering with Close still reach the backend. */
  close(code: number, reason: string): void;
  /** Sends Close. Bytes that the client sends afterwards are dropped. */
  cutOff(code: number, reason: string): void;
}

/** The client of a request, as far as known. */
export interface ClientIdentity {
  readonly id: string;
  url: string;
  address: string;
  user: string | undefined;
  /** See {@link TunnelInfo.viewOnly}; undefined while unknown. */
  viewOnly?: boolean;
  /** The Origin header, once read. */
  origin?: string | undefined;
  /** The debug lines of this connection; undefined where none is printed. */
  readonly story?: Story | undefined;
  /** The durations so far. Undefined for a request that is refused on arrival. */
  readonly timings?: Writable<TunnelTimings>;
  /** The host that failed last, or refused the login, and why. */
  failed?: { readonly backend: string; readonly failure: string };
}

export type Writable<Fields> = { -readonly [Name in keyof Fields]: Fields[Name] };

/** One request, the settings after the rules, and the ways to answer the request. */
export interface RequestContext<Req extends IncomingMessage> {
  readonly settings: RuleSettings<Req>;
  readonly req: Req;
  readonly res: ServerResponse;
  readonly next: Next;
  readonly pending: PendingUpgrade | undefined;
}

/** A tunnel in the form for events and `end()`. */
export function infoOf(
  client: ClientIdentity,
  backend: string,
  since: number,
  { bytesIn, bytesOut } = { bytesIn: 0, bytesOut: 0 },
): TunnelInfo {
  const { id, url, address, user, viewOnly = false } = client;
  if (user === undefined) return { id, url, address, backend, since, bytesIn, bytesOut, viewOnly };
  return { id, url, address, user, backend, since, bytesIn, bytesOut, viewOnly };
}

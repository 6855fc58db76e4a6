import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BackendPool } from '../backends/pool.js';
import type { Spawner } from '../backends/spawn/spawner.js';
import type { TunnelError } from '../errors.js';
import type { CountLimits, Counter, OpeningCounter } from '../guard/limits.js';
import type { RecentEnds } from '../guard/recent-ends.js';
import type { Log } from '../observe/log.js';
import type { Totals } from '../observe/totals.js';
import type { RuleSettings } from '../options/options.js';
import type { ClosedInfo, Next, RefuseInfo, TunnelInfo } from '../types.js';
import type { OpeningAttempt } from '../upgrade/opening-attempt.js';
import type { PendingUpgrade } from '../upgrade/pending-upgrade.js';

/** What all connections of one tunnel object share. */
export interface TunnelContext {
  readonly limits: CountLimits & { readonly buffered: number };
  readonly counter: Counter;
  readonly openings: OpeningCounter;
  /** Calls of `end()` that still concern requests which arrived before them. */
  readonly ends: RecentEnds;
  readonly pool: BackendPool;
  readonly spawner: Spawner;
  readonly totals: Totals;
  readonly log: Log;
  /** Requests on their way to the 101 response; aborted by `close()` and `end()`. */
  readonly opening: Set<OpeningRequest>;
  readonly open: Set<OpenTunnel>;
  /** Sockets that were upgraded only to receive the Close of a refusal. */
  readonly refusing: Set<Closable>;
  readonly isDraining: () => boolean;
  /** The refusal of an upgrade that arrived as an ordinary request, because none of our listeners was on its server. */
  readonly notAttached: (req: IncomingMessage) => TunnelError;
  readonly announce: {
    open(info: TunnelInfo): void;
    close(info: ClosedInfo): void;
    refuse(info: RefuseInfo): void;
  };
}

/** Something whose end `close()` awaits, and which it destroys when the time is over. */
export interface Closable {
  readonly closed: Promise<void>;
  destroy(): void;
}

/** A request on its way to the 101 response. */
export interface OpeningRequest {
  readonly attempt: OpeningAttempt;
  /** With the address and user as far as they are known, and an empty `backend`. */
  info(): TunnelInfo;
}

/** A tunnel between the 101 response and its end. */
export interface OpenTunnel extends Closable {
  info(): TunnelInfo;
  /** Sends Close. Bytes that the client sends before its own Close still reach the backend. */
  close(code: number, reason: string): void;
  /** Sends Close. Bytes that the client sends afterwards are dropped. */
  cutOff(code: number, reason: string): void;
}

/** The client of a request, as far as it is known. */
export interface ClientIdentity {
  readonly id: string;
  url: string;
  address: string;
  user: string | undefined;
  /** The Origin of the page, once it was read. */
  origin?: string | undefined;
}

/** One request, the settings that its rules give it, and all that may answer it. */
export interface RequestContext<Req extends IncomingMessage> {
  readonly settings: RuleSettings<Req>;
  readonly req: Req;
  readonly res: ServerResponse;
  readonly next: Next;
  readonly pending: PendingUpgrade | undefined;
}

/** A promise for {@link Closable.closed}, and the function that resolves it. */
export function promiseOfClose(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** A tunnel as events and `end()` see it. */
export function infoOf(
  client: ClientIdentity,
  backend: string,
  since: number,
  { bytesIn, bytesOut } = { bytesIn: 0, bytesOut: 0 },
): TunnelInfo {
  const { id, url, address, user } = client;
  return { id, url, address, ...(user !== undefined && { user }), backend, since, bytesIn, bytesOut };
}

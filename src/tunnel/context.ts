import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BackendPool } from '../backends/pool.js';
import type { Spawner } from '../backends/spawn/spawner.js';
import type { TunnelError } from '../errors.js';
import type { RecentEnds } from '../guard/ended.js';
import type { CountLimits, Counter, Openings } from '../guard/limits.js';
import type { Log } from '../observe/log.js';
import type { Totals } from '../observe/totals.js';
import type { RuleSettings } from '../options/options.js';
import type { ClosedInfo, Next, RefuseInfo, TunnelInfo } from '../types.js';
import type { Attempt } from '../upgrade/attempt.js';
import type { PendingUpgrade } from '../upgrade/pending.js';

/** What all connections of one tunnel share. */
export interface Shared {
  readonly limits: CountLimits & { readonly buffered: number };
  readonly counter: Counter;
  readonly openings: Openings;
  /** Ends that requests which came before them have still to meet. */
  readonly ends: RecentEnds;
  readonly pool: BackendPool;
  readonly spawner: Spawner;
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
export interface Client {
  readonly id: string;
  url: string;
  address: string;
  user: string | undefined;
  /** The page's, once it was read. */
  origin?: string | undefined;
}

/** The request, what its rules say, and all that can answer it. */
export interface Ends<Req extends IncomingMessage> {
  readonly settings: RuleSettings<Req>;
  readonly req: Req;
  readonly res: ServerResponse;
  readonly next: Next;
  readonly pending: PendingUpgrade | undefined;
}

/** A tunnel as events and `end()` see it. */
export function infoOf(
  client: Client,
  backend: string,
  since: number,
  { bytesIn, bytesOut } = { bytesIn: 0, bytesOut: 0 },
): TunnelInfo {
  const { id, url, address, user } = client;
  return { id, url, address, ...(user !== undefined && { user }), backend, since, bytesIn, bytesOut };
}

import { endingOf, type Ending } from './close-causes.js';
import { afterPendingReads } from './pending-reads.js';
import type { CloseCause } from '../types.js';

/** The limits of one tunnel, in seconds; 0 is no limit. */
export interface WatchLimits {
  readonly idleTimeout: number;
  readonly maxDuration: number;
  readonly readTimeout: number;
  readonly writeTimeout: number;
  readonly clientWriteTimeout: number;
}

/** The tunnel that is watched. Times are those of `performance.now()`. */
export interface Activity {
  /** Brings the other members up to date. */
  sample(now: number): void;
  /** The last payload, either way. */
  readonly lastPayload: number;
  /** Since when the backend has been read and has sent nothing; undefined while the backend is paused. */
  readonly silentSince: number | undefined;
  /** Since when the backend has accepted none of its queued bytes; undefined where none are queued. */
  readonly stalledSince: number | undefined;
  /** The same of the client. */
  readonly clientStalledSince: number | undefined;
}

/** A longer delay makes `setTimeout` fire at once; longer times take several timers. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** A stall, of a peer or of our own event loop, can only be seen by samples: so many within its limit. */
const SAMPLES = 4;

interface Limit {
  readonly cause: CloseCause;
  /** For people, followed by the seconds. */
  readonly what: string;
  readonly seconds: number;
  /** Since when the limit counts; undefined while it does not. */
  readonly since: () => number | undefined;
  /** Longest time to the next sample, in ms. */
  readonly period: number;
}

/**
 * Ends a tunnel that is idle or too old, whose backend neither sends nor accepts data, or whose client accepts none. One timer
 * for all limits, set again only when it fires: traffic costs nothing. `expire` is called once; the function returned stops the
 * watch.
 */
export function watch(limits: WatchLimits, activity: Activity, expire: (ending: Ending) => void): () => void {
  const start = performance.now();
  let awakeSince = start;
  const limit = (
    cause: CloseCause,
    seconds: number,
    what: string,
    since: () => number | undefined,
    isSampled = true,
  ): Limit => ({ cause, seconds, what, since, period: isSampled ? (seconds * 1000) / SAMPLES : Infinity });
  // While our event loop stalls, the client's bytes do not even reach the backend.
  const silentSince = () => activity.silentSince && Math.max(activity.silentSince, awakeSince);
  const all = [
    limit('idle', limits.idleTimeout, 'idle for', () => activity.lastPayload, false),
    limit('max-duration', limits.maxDuration, 'open for', () => start, false),
    limit('read-timeout', limits.readTimeout, 'the backend was silent for', silentSince),
    limit(
      'write-timeout',
      limits.writeTimeout,
      'the backend accepted no data for',
      () => activity.stalledSince,
    ),
    limit(
      'client-stalled',
      limits.clientWriteTimeout,
      'the client accepted no data for',
      () => activity.clientStalledSince,
    ),
  ].filter(({ seconds }) => seconds > 0);
  if (all.length === 0) return () => undefined;

  const left = ({ seconds, since }: Limit, now: number) => (since() ?? now) + seconds * 1000 - now;
  let timer: NodeJS.Timeout | undefined;
  let cancel = () => {};
  const judge = () => {
    const now = performance.now();
    activity.sample(now);
    const over = all.find((one) => left(one, now) <= 0);
    if (over) expire(endingOf(over.cause, `${over.what} ${over.seconds} s`));
    else arm(now);
  };
  const arm = (now: number) => {
    const next = Math.min(...all.map((one) => Math.min(left(one, now), one.period)));
    const delay = Math.min(Math.ceil(next), MAX_TIMEOUT);
    timer = setTimeout(() => {
      const late = performance.now() - now - delay;
      cancel = afterPendingReads((longest) => {
        if (Math.max(late, longest) > (limits.readTimeout * 1000) / SAMPLES / 2)
          awakeSince = performance.now();
        judge();
      });
    }, delay);
  };
  activity.sample(start);
  arm(start);
  return () => {
    clearTimeout(timer);
    cancel();
  };
}

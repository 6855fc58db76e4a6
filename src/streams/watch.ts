import { endingOf, type Ending } from './close-causes.js';
import { afterPendingReads } from './pending-reads.js';
import type { CloseCause } from '../types.js';

/** The limits of one tunnel, in seconds; 0 means no limit. */
export interface WatchLimits {
  readonly idleTimeout: number;
  readonly maxDuration: number;
  readonly readTimeout: number;
  readonly writeTimeout: number;
  readonly clientWriteTimeout: number;
}

/** The watched tunnel. Times are values of `performance.now()`. */
export interface Activity {
  /** Updates the other members. */
  sample(now: number): void;
  /** The time of the last payload, in either direction. */
  readonly lastPayload: number;
  /** The start of the backend's silence while the backend is read; undefined while the backend is paused. */
  readonly silentSince: number | undefined;
  /** The time of the earliest sample after which the backend has accepted no queued bytes; undefined if no bytes are queued. */
  readonly stalledSince: number | undefined;
  /** The time of the earliest sample after which the client has accepted no queued bytes; undefined if no bytes are queued. */
  readonly clientStalledSince: number | undefined;
}

/** Milliseconds. A longer delay would make `setTimeout` fire at once; longer times take several timers. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** Samples per limit. A stall, of a peer or of our event loop, is visible by samples only. */
const SAMPLES = 4;

interface Limit {
  readonly cause: CloseCause;
  /** The text for people; the seconds are appended. */
  readonly what: string;
  readonly seconds: number;
  /** The time when the limit starts to count; undefined while the limit does not apply. */
  readonly since: () => number | undefined;
  /** The longest time to the next sample, in ms. */
  readonly period: number;
}

/**
 * Ends a tunnel that is idle or too old, whose backend neither sends nor accepts data, or whose client accepts no data. One timer
 * for all limits is set again only after it fires: traffic costs nothing. `expire` is called at most once; the returned function
 * stops the watch.
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
  // While our event loop stalls, even the client's bytes do not reach the backend.
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

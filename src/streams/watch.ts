import { whenCaughtUp } from './caught-up.js';

/** The limits of one tunnel, in seconds; 0 is none. */
export interface WatchLimits {
  readonly idleTimeout: number;
  readonly maxDuration: number;
  readonly readTimeout: number;
  readonly writeTimeout: number;
  readonly clientWriteTimeout: number;
}

/** What is watched. Times are those of `performance.now()`. */
export interface Vital {
  /** The last payload, either way. */
  readonly lastPayload: number;
  /** Since when the backend has been read and has sent nothing; undefined while it is not read. */
  readonly silentSince: number | undefined;
  /** Since when the backend has taken nothing of what waits for it; undefined where nothing waits. */
  stalledSince(now: number): number | undefined;
  /** The same of the client. */
  clientStalledSince(now: number): number | undefined;
}

/** setTimeout fires at once above this; longer times take several turns. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** A stall, of the backend or of our own event loop, can only be seen by looking: so many times within its limit. */
const LOOKS = 4;

/**
 * Ends a tunnel that is idle, too old, whose backend neither sends nor accepts anything, or whose client accepts nothing. One
 * timer for all of it, set anew only when it fires: traffic costs none. `expire` is called once; the function returned stops the watch.
 */
export function watch(
  limits: WatchLimits,
  vital: Vital,
  expire: (code: number, reason: string) => void,
): () => void {
  const start = performance.now();
  let awakeSince = start;
  const left = (seconds: number, since: number | undefined, now: number) =>
    since === undefined ? seconds * 1000 : since + seconds * 1000 - now;
  const all = [
    {
      seconds: limits.idleTimeout,
      code: 1001,
      what: 'idle for',
      left: (now: number) => left(limits.idleTimeout, vital.lastPayload, now),
    },
    {
      seconds: limits.maxDuration,
      code: 1001,
      what: 'open for',
      left: (now: number) => left(limits.maxDuration, start, now),
    },
    {
      seconds: limits.readTimeout,
      code: 1011,
      what: 'the backend was silent for',
      // What the client sent while our event loop stood still has not even reached the backend.
      left: (now: number) =>
        left(limits.readTimeout, vital.silentSince && Math.max(vital.silentSince, awakeSince), now),
      look: (limits.readTimeout * 1000) / LOOKS,
    },
    {
      seconds: limits.writeTimeout,
      code: 1011,
      what: 'the backend took nothing for',
      left: (now: number) => left(limits.writeTimeout, vital.stalledSince(now), now),
      look: (limits.writeTimeout * 1000) / LOOKS,
    },
    {
      seconds: limits.clientWriteTimeout,
      // A Close would be queued behind the bytes that the client does not accept.
      code: 1006,
      what: 'the client accepted nothing for',
      left: (now: number) => left(limits.clientWriteTimeout, vital.clientStalledSince(now), now),
      look: (limits.clientWriteTimeout * 1000) / LOOKS,
    },
  ].filter(({ seconds }) => seconds > 0);
  if (all.length === 0) return () => undefined;

  let timer: NodeJS.Timeout | undefined;
  let cancel = () => {};
  const judge = () => {
    const now = performance.now();
    const over = all.find((one) => one.left(now) <= 0);
    if (over) expire(over.code, `${over.what} ${over.seconds} s`);
    else arm(now);
  };
  const arm = (now: number) => {
    const next = Math.min(...all.map((one) => Math.min(one.left(now), one.look ?? Infinity)));
    const delay = Math.min(Math.ceil(next), MAX_TIMEOUT);
    timer = setTimeout(() => {
      const late = performance.now() - now - delay;
      cancel = whenCaughtUp((stood) => {
        if (Math.max(late, stood) > (limits.readTimeout * 1000) / LOOKS / 2) awakeSince = performance.now();
        judge();
      });
    }, delay);
  };
  arm(start);
  return () => {
    clearTimeout(timer);
    cancel();
  };
}

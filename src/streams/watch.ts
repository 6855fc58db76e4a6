import { MAX_TIMEOUT } from '../helpers/max-timeout.js';
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
  readonly inputIdleTimeout: number;
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
  /** The time of the last input of a user; undefined before the first. */
  readonly lastInput?: number | undefined;
}

/** Samples per limit. A stall, of a peer or of our event loop, is visible by samples only. */
const SAMPLES = 4;

interface Limit {
  readonly name: keyof WatchLimits;
  readonly cause: CloseCause;
  /** The text for people; the seconds are appended. */
  readonly what: string;
  readonly isSampled: boolean;
}

const LIMITS: readonly Limit[] = [
  { name: 'idleTimeout', cause: 'idle', what: 'idle for', isSampled: false },
  { name: 'maxDuration', cause: 'max-duration', what: 'open for', isSampled: false },
  { name: 'readTimeout', cause: 'read-timeout', what: 'the backend was silent for', isSampled: true },
  { name: 'writeTimeout', cause: 'write-timeout', what: 'the backend accepted no data for', isSampled: true },
  {
    name: 'clientWriteTimeout',
    cause: 'client-stalled',
    what: 'the client accepted no data for',
    isSampled: true,
  },
  { name: 'inputIdleTimeout', cause: 'input-idle', what: 'no key or pointer event for', isSampled: false },
];

/** The owner of a watched tunnel. */
export interface WatchOwner {
  /** A limit has passed. Called at most once. */
  expired(ending: Ending): void;
}

/**
 * Ends a tunnel that is idle or too old, whose backend neither sends nor accepts data, or whose client accepts no data. One timer
 * for all limits is set again only after it fires: traffic costs nothing.
 */
export class Watch {
  readonly #limits: WatchLimits;
  readonly #activity: Activity;
  readonly #owner: WatchOwner;
  readonly #start = performance.now();
  /** The event loop has not stalled since. */
  #awakeSince = this.#start;
  #timer: NodeJS.Timeout | undefined;
  /** The time at which the timer should fire. */
  #due = 0;
  /** Cancels the check that follows the timer. */
  #cancel: (() => void) | undefined;

  constructor(limits: WatchLimits, activity: Activity, owner: WatchOwner) {
    this.#limits = limits;
    this.#activity = activity;
    this.#owner = owner;
    if (!LIMITS.some(({ name }) => limits[name] > 0)) return;
    activity.sample(this.#start);
    this.#arm(this.#start);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#cancel?.();
  }

  #arm(now: number): void {
    let next = MAX_TIMEOUT;
    for (const { name, isSampled } of LIMITS) {
      const milliseconds = this.#limits[name] * 1000;
      if (milliseconds === 0) continue;
      next = Math.min(next, this.#left(name, now), isSampled ? milliseconds / SAMPLES : Infinity);
    }
    const delay = Math.min(Math.ceil(next), MAX_TIMEOUT);
    this.#due = now + delay;
    this.#timer = setTimeout(Watch.#onTimer, delay, this);
  }

  /** A function for all tunnels: a closure for each tunnel would cost memory. */
  static readonly #onTimer = (watch: Watch): void => {
    const late = performance.now() - watch.#due;
    watch.#cancel = afterPendingReads((longest) => {
      watch.#cancel = undefined;
      if (Math.max(late, longest) > (watch.#limits.readTimeout * 1000) / SAMPLES / 2)
        watch.#awakeSince = performance.now();
      watch.#judge();
    });
  };

  #judge(): void {
    const now = performance.now();
    this.#activity.sample(now);
    const over = LIMITS.find(({ name }) => this.#limits[name] > 0 && this.#left(name, now) <= 0);
    if (over) this.#owner.expired(endingOf(over.cause, `${over.what} ${this.#limits[over.name]} s`));
    else this.#arm(now);
  }

  /** Milliseconds until a limit passes. */
  #left(name: keyof WatchLimits, now: number): number {
    return (this.#since(name) ?? now) + this.#limits[name] * 1000 - now;
  }

  /** The time when a limit starts to count; undefined while the limit does not apply. */
  #since(name: keyof WatchLimits): number | undefined {
    const { lastPayload, silentSince, stalledSince, clientStalledSince, lastInput } = this.#activity;
    switch (name) {
      case 'idleTimeout':
        return lastPayload;
      case 'maxDuration':
        return this.#start;
      case 'readTimeout':
        // While our event loop stalls, even the client's bytes do not reach the backend.
        return silentSince && Math.max(silentSince, this.#awakeSince);
      case 'writeTimeout':
        return stalledSince;
      case 'clientWriteTimeout':
        return clientStalledSince;
      case 'inputIdleTimeout':
        return lastInput ?? this.#start;
    }
  }
}

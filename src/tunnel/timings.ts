import type { TunnelTimings } from '../types.js';
import type { Writable } from './context.js';

/** Seconds since `start` (by `performance.now()`), in whole microseconds. */
export function secondsSince(start: number): number {
  return Math.round((performance.now() - start) * 1000) / 1e6;
}

/** For lines of the debug log. */
export function millisecondsOf(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(seconds * 10_000) / 10;
}

/** Measures the parts of one opening, one after another. A part that fails has the time until the failure. */
export class OpeningClock {
  readonly timings: Writable<TunnelTimings> = {};
  readonly #arrived: number;
  #part: 'auth' | 'connect' | undefined = 'auth';
  #since = performance.now();

  /** `arrived`: by `performance.now()`. */
  constructor(arrived: number) {
    this.#arrived = arrived;
  }

  /** Ends the current part, and begins the next one. */
  next(part: 'connect' | undefined): void {
    if (this.#part) this.timings[this.#part] = secondsSince(this.#since);
    this.#part = part;
    this.#since = performance.now();
  }

  /** Call this when the tunnel is open or refused. */
  end(): void {
    this.next(undefined);
    this.timings.opening = secondsSince(this.#arrived);
  }
}

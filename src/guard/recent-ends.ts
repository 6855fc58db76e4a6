import { messageOf, TunnelError } from '../errors.js';
import type { TunnelInfo } from '../types.js';

/** Most calls of `end()` that are remembered at once: a filter may hold a request of the app. */
const MOST = 1000;

interface End {
  readonly at: number;
  readonly picks: (tunnel: TunnelInfo) => boolean;
  readonly reason: string;
}

/**
 * The calls of `end()` that still concern requests on their way to the 101. A request may be inside the app's own middleware
 * or in `authenticate` when its user logs out: nobody knows then whose it is, and it must not open afterwards. A request
 * that arrived after the call is not concerned: a user may log in again at once.
 *
 * Times are of `performance.now()`.
 */
export class RecentEnds {
  readonly #milliseconds: number;
  #ends: readonly End[] = [];
  /** When the latest of those was called that are no longer remembered. */
  #forgotten = -Infinity;

  /** `seconds`: the longest time that an opening may take. */
  constructor(seconds: number) {
    this.#milliseconds = seconds * 1000;
  }

  add(picks: End['picks'], reason: string): void {
    this.#forgetOld();
    this.#ends = [...this.#ends, { at: performance.now(), picks, reason }];
    if (this.#ends.length > MOST) this.#forget(1);
  }

  /** Why a request that arrived at that time may not open, if an end since then picks it. */
  refusalOf(tunnel: TunnelInfo, arrived: number): TunnelError | undefined {
    this.#forgetOld();
    if (arrived <= this.#forgotten)
      return new TunnelError('WSTUNNEL_ENDED', 'this request took too long while tunnels were ended', {
        status: 503,
        headers: { 'Retry-After': '1' },
      });
    try {
      const end = this.#ends.find(({ at, picks }) => at >= arrived && picks(tunnel));
      return end && new TunnelError('WSTUNNEL_ENDED', end.reason);
    } catch (error) {
      const message = `the filter of end() failed: ${messageOf(error)}`;
      return new TunnelError('WSTUNNEL_HOOK_FAILED', message, { cause: error });
    }
  }

  #forget(count: number): void {
    const last = this.#ends[count - 1];
    if (last) this.#forgotten = last.at;
    this.#ends = this.#ends.slice(count);
  }

  /** Without a timer: the next opening or end is early enough. */
  #forgetOld(): void {
    const since = performance.now() - this.#milliseconds;
    const old = this.#ends.filter(({ at }) => at <= since).length;
    if (old > 0) this.#forget(old);
  }
}

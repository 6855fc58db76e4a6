import { messageOf, TunnelError } from '../errors.js';
import type { TunnelInfo } from '../types.js';

/** Limit of remembered calls of `end()`: the filter of a call may reference a request of the app. */
const MAX_ENDS = 1000;

/** Selects tunnels by their data and by the name of their tunnel object. */
export type Picks = (tunnel: TunnelInfo, name: string | undefined) => boolean;

interface End {
  readonly at: number;
  readonly picks: Picks;
  readonly reason: string;
  /** By data: the call concerns all tunnel objects with the same state. */
  readonly isShared: boolean;
}

/**
 * The calls of `end()` that still concern requests before the 101 response. When a user logs out, a request may be inside the
 * app's middleware or in `authenticate`: the request's user is not known yet, and the request must not open a tunnel afterwards.
 * A request that arrived after the call is not concerned: the user may log in again at once.
 *
 * Times are values of `performance.now()`.
 */
export class RecentEnds {
  readonly #milliseconds: number;
  readonly #name: string | undefined;
  #ends: readonly End[] = [];
  /** The time of the latest call that is no longer remembered. */
  #forgotten = -Infinity;

  /**
   * `seconds`: the longest time from a request's arrival to its 101 response. `earlier`: the ends of a tunnel object with the same
   * state; the request may have arrived before a reload, and reach the new tunnel object.
   */
  constructor(seconds: number, name?: string, earlier?: RecentEnds) {
    this.#milliseconds = seconds * 1000;
    this.#name = name;
    if (!earlier) return;
    this.#ends = earlier.#ends.filter(({ isShared }) => isShared);
    this.#forgotten = earlier.#forgotten;
  }

  /** `at`: the time of the call, which another process may have made a while ago. */
  add(picks: Picks, reason: string, isShared = false, at = performance.now()): void {
    this.#forgetOld();
    const end = { at, picks, reason, isShared };
    this.#ends = [...this.#ends, end].sort((a, b) => a.at - b.at);
    if (this.#ends.length > MAX_ENDS) this.#forget(1);
  }

  /** Was there a call since that time? Otherwise `refusalOf` finds no refusal, whatever the tunnel. */
  anySince(arrived: number): boolean {
    return Math.max(this.#ends.at(-1)?.at ?? -Infinity, this.#forgotten) >= arrived;
  }

  /** The refusal of a request that arrived at that time, if a later `end()` selects the request. */
  refusalOf(tunnel: TunnelInfo, arrived: number): TunnelError | undefined {
    this.#forgetOld();
    if (arrived <= this.#forgotten)
      return new TunnelError(
        'WSTUNNEL_ENDED',
        'this request took too long to open while tunnels were being ended',
        {
          status: 503,
          headers: { 'Retry-After': '1' },
        },
      );
    try {
      const end = this.#ends.find(({ at, picks }) => at >= arrived && picks(tunnel, this.#name));
      return end && new TunnelError('WSTUNNEL_ENDED', end.reason);
    } catch (error) {
      const message = `the filter of end() failed: ${messageOf(error)}`;
      return new TunnelError('WSTUNNEL_HOOK_FAILED', message, { cause: error });
    }
  }

  #forget(count: number): void {
    const last = this.#ends[count - 1];
    // A call of another process may arrive late, after younger ones were forgotten.
    if (last) this.#forgotten = Math.max(this.#forgotten, last.at);
    this.#ends = this.#ends.slice(count);
  }

  /** Forgets old calls. No timer is needed: the next opening or `end()` is early enough. */
  #forgetOld(): void {
    const since = performance.now() - this.#milliseconds;
    const old = this.#ends.filter(({ at }) => at <= since).length;
    if (old > 0) this.#forget(old);
  }
}

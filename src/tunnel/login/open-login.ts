import type { RevalidateSettings } from '../../options/settings.js';
import type { Due } from '../../helpers/due-queue.js';
import type { Ending } from '../../streams/close-causes.js';
import type { LoginCheck } from '../../upgrade/check/login-check.js';
import type { KeptRequest } from '../../upgrade/kept-request.js';

/** An open tunnel in the eyes of the login checks. */
export interface CheckedTunnel {
  readonly id: string;
  readonly user: string | undefined;
  /** What the client may do at a VNC server, as a text to compare; undefined if the tunnel passes all bytes unchanged. */
  readonly rights: string | undefined;
  /** The user, or the address of a client without one. */
  readonly client: string;
  /** Payload bytes from the client so far. */
  readonly bytesIn: number;
  loginEnded(ending: Ending): void;
}

/** The first try after an unclear check comes after this part of the interval; further tries after twice the time of the last. */
const FIRST_RETRY = 1 / 8;

/**
 * A check may come early by this part of the interval, together with others: a check alone finds the processor's caches cold, and
 * takes three times the CPU. A late check would let the tunnel outlive the login.
 */
const EARLY = 1 / 240;

/** The login of one open tunnel. Times by `performance.now()`. */
export class OpenLogin implements Due {
  due: number;
  place = -1;
  isOpen = true;
  check: LoginCheck | undefined;
  /** Kept by {@link SameLogins}. */
  key: string | undefined;
  /** The start of the last check with a verdict. */
  #verdictAt: number;
  #unclear = 0;
  /** Payload bytes from the client until the start of the last check that passed. */
  #bytesIn = 0;
  #startedAt = 0;
  #bytesAtStart = 0;

  /** `opened`: the arrival of the opening request, which the app's login has let pass. */
  constructor(
    readonly tunnel: CheckedTunnel,
    readonly request: KeptRequest,
    readonly settings: RevalidateSettings,
    opened: number,
  ) {
    this.#verdictAt = opened;
    // Clients that come back together after a restart must not be checked together.
    this.due = opened + settings.every * 1000 * Math.random();
  }

  /** The earliest time of the next check. */
  get earliest(): number {
    return this.due - this.settings.every * 1000 * EARLY;
  }

  /** Seconds until `failAfter` ends the tunnel unless there is a verdict. */
  get secondsLeft(): number {
    const { failAfter } = this.settings;
    if (failAfter === 0) return Infinity;
    return Math.max(0, this.#verdictAt / 1000 + failAfter - performance.now() / 1000);
  }

  /**
   * Seconds for the app to answer a check: half of the time until `failAfter` at most, so that one lost answer does not end the tunnel,
   * and never so few that a tunnel that was checked late would end without a fair chance.
   */
  secondsFor(most: number): number {
    const { failAfter } = this.settings;
    if (failAfter === 0) return most;
    const least = Math.min(most, failAfter) / 2;
    return Math.min(most, Math.max(least, this.secondsLeft / 2));
  }

  /** A check begins. Returns whether the check touches a session. */
  begin(): boolean {
    this.#startedAt = performance.now();
    this.#bytesAtStart = this.tunnel.bytesIn;
    const isActive = this.#bytesAtStart > this.#bytesIn;
    const { touch } = this.settings;
    return touch === 'always' || (touch === 'active' && isActive);
  }

  /** The check must begin later. */
  postpone(seconds: number): void {
    this.due = performance.now() + (seconds + this.settings.every * EARLY) * 1000;
  }

  passed(): void {
    this.#unclear = 0;
    this.#bytesIn = this.#bytesAtStart;
    this.#verdictAt = this.#startedAt;
    this.due = this.#startedAt + this.settings.every * 1000;
  }

  /**
   * The next try comes sooner than after an interval, and no later than `failAfter`. `retryAfter`: the app asks for this pause, which
   * counts up to the interval, since a login must not live longer because the app is busy.
   */
  unclear(retryAfter = 0): void {
    const { every } = this.settings;
    const pause = Math.min(every, every * FIRST_RETRY * 2 ** this.#unclear++);
    // Checks that failed together are not repeated together.
    const spread = Math.random() / 4;
    const seconds = Math.min(every, Math.max(pause * (0.75 + spread), retryAfter * (1 + spread)));
    this.due = performance.now() + Math.min(seconds, this.secondsLeft) * 1000;
  }
}

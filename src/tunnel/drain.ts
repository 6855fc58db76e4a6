import { deferred } from '../helpers/deferred.js';
import { MAX_TIMEOUT } from '../helpers/max-timeout.js';
import { Pace } from '../helpers/pace.js';
import { serverDraining } from '../upgrade/opening-attempt.js';
import type { ClosePlan } from './closing.js';
import type { Closable, TunnelContext } from './context.js';

type DrainedContext = Pick<TunnelContext, 'open' | 'opening' | 'refusing' | 'logins'>;

/**
 * Ends all connections of one tunnel object. Requests before the 101 response are refused at once; the object accepts no further
 * requests.
 *
 *     grace ───────────────> spread ─────────────────> closing ───────────> done
 *     tunnels go on          one Close after another   the rest is destroyed
 *                                                      after the timeout
 *
 * The steps follow each other at once if they have no time, and when no tunnel is left.
 */
export class Drain {
  readonly #context: DrainedContext;
  readonly #done = deferred();
  #plan: ClosePlan;
  #step: 'grace' | 'spread' | 'closing' | 'done' = 'grace';
  /** The end of the step `grace` or `closing`. All times in milliseconds, by `performance.now()`. */
  #end: number;
  /** The length of the step `spread`. */
  #spread: number;
  /** Only in the step `spread`. */
  #pace: Pace | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(context: DrainedContext, plan: ClosePlan) {
    this.#context = context;
    this.#plan = plan;
    this.#end = performance.now() + plan.grace * 1000;
    this.#spread = plan.spread * 1000;
    for (const { attempt } of context.opening) attempt.abort(serverDraining());
    this.#goOn();
    void allClosed([...context.open]).then(() => this.#closing());
  }

  /** The plan of the last call of `close()`. */
  get plan(): ClosePlan {
    return this.#plan;
  }

  /** Resolves when all connections are closed. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** A later call of `close()`: ends the steps sooner if the new plan does, never later. */
  shorten(plan: ClosePlan): void {
    const now = performance.now();
    const [graceEnd, spreadEnd] = [now + plan.grace * 1000, now + (plan.grace + plan.spread) * 1000];
    this.#plan = { ...plan, timeout: Math.min(plan.timeout, this.#plan.timeout) };
    if (this.#step === 'grace') {
      const end = Math.min(this.#end + this.#spread, spreadEnd);
      this.#end = Math.min(this.#end, graceEnd);
      this.#spread = end - this.#end;
    } else if (this.#step === 'spread' && this.#pace && spreadEnd < this.#pace.end) {
      this.#spread = spreadEnd - now;
      this.#pace = undefined;
    } else if (this.#step === 'closing') {
      this.#end = Math.min(this.#end, now + this.#plan.timeout * 1000);
    }
    this.#goOn();
  }

  #goOn(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    if (this.#step === 'done') return;
    if (this.#step !== 'spread' && now < this.#end) this.#wakeAt(this.#end);
    else if (this.#step === 'closing') for (const one of connectionsOf(this.#context)) one.destroy();
    else this.#sendCloses(now);
  }

  /** Sends the Closes that are due. */
  #sendCloses(now: number): void {
    this.#step = 'spread';
    const waiting = [...this.#context.open].filter(({ isOpen }) => isOpen);
    this.#pace ??= new Pace(now, this.#spread, waiting.length);
    let left = waiting.length;
    for (const one of waiting) {
      if (this.#pace.due > now) break;
      one.close(this.#plan.code, this.#plan.reason);
      this.#pace.ran(now, --left);
    }
    if (left === 0) this.#closing();
    else this.#wakeAt(this.#pace.due);
  }

  /** All Closes have been sent, or all tunnels have ended by themselves. */
  #closing(): void {
    if (this.#step === 'closing' || this.#step === 'done') return;
    this.#step = 'closing';
    this.#end = performance.now() + this.#plan.timeout * 1000;
    clearTimeout(this.#timer);
    this.#context.logins.stop();
    // The aborted requests are refused in this event-loop turn; with `refuseWith: 'close'` their sockets are in `refusing` afterwards.
    setImmediate(() => void this.#finish());
  }

  async #finish(): Promise<void> {
    this.#wakeAt(this.#end);
    await allClosed(connectionsOf(this.#context));
    clearTimeout(this.#timer);
    this.#step = 'done';
    this.#done.resolve();
  }

  #wakeAt(time: number): void {
    clearTimeout(this.#timer);
    const delay = Math.max(0, Math.ceil(time - performance.now()));
    this.#timer = setTimeout(() => this.#goOn(), Math.min(delay, MAX_TIMEOUT));
    // The tunnels keep the process running, and so long the timer is needed.
    if (this.#step !== 'closing') this.#timer.unref();
  }
}

function connectionsOf({ open, refusing }: DrainedContext): readonly Closable[] {
  return [...open, ...refusing];
}

function allClosed(all: readonly Closable[]): Promise<unknown> {
  return Promise.all(all.map((one) => one.untilClosed()));
}

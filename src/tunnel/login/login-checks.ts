import { AsyncResource } from 'node:async_hooks';
import { messageOf } from '../../errors.js';
import { DueQueue } from '../../helpers/due-queue.js';
import type { Log } from '../../observe/log.js';
import type { CheckResult } from '../../observe/metrics/tunnel-counts.js';
import type { RevalidateSettings } from '../../options/settings.js';
import { endingOf } from '../../streams/close-causes.js';
import type { CheckOutcome } from '../../upgrade/check/check-on-request.js';
import { LoginCheck } from '../../upgrade/check/login-check.js';
import type { KeptRequest } from '../../upgrade/kept-request.js';
import { HangingClients } from './hanging-clients.js';
import { OpenLogin, type CheckedTunnel } from './open-login.js';
import { SameLogins } from './same-logins.js';
import { verdictOf } from './verdict.js';

/** Limit of the checks under way at once: a login store that is down gets no more requests than this. */
const MOST_AT_ONCE = 32;

/** Limit of the checks that begin in one event-loop turn, at some 0.4 ms each: tunnels and pages must not wait for them. */
const MOST_PER_TURN = 4;

/** Seconds for the app to answer a check. */
const ANSWER_TIMEOUT = 10;

/** Seconds between the searches for tunnels whose `failAfter` passes while all checks under way hang. */
const SEARCH_INTERVAL = 1;

/** Seconds until another try of a check that may not begin yet. */
const POSTPONED = 1;

/** Seconds without any verdict after which the checks under way count as hanging. */
const SILENCE = 2;

/** The login checks of one tunnel object (`revalidate`), with one timer for all tunnels. */
export class LoginChecks {
  readonly #owner: unknown;
  readonly #log: Log;
  readonly #results: Record<CheckResult, number>;
  readonly #queue = new DueQueue<OpenLogin>();
  readonly #running = new Set<OpenLogin>();
  readonly #same = new SameLogins();
  readonly #hanging = new HangingClients();
  // Without it, the checks would run in the async context (AsyncLocalStorage) of the request that started the timer.
  readonly #resource = new AsyncResource('express-wstunnel.checks', { requireManualDestroy: true });
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  /** The time of the last verdict about any tunnel. */
  #verdictAt = 0;
  #isStopped = false;

  /** `owner`: what a check must reach for its tunnel to go on. `results`: counters. */
  constructor(owner: unknown, log: Log, results: Record<CheckResult, number>) {
    this.#owner = owner;
    this.#log = log;
    this.#results = results;
  }

  add(
    tunnel: CheckedTunnel,
    request: KeptRequest,
    settings: RevalidateSettings,
    opened: number,
  ): OpenLogin | undefined {
    if (this.#isStopped) return undefined;
    const login = new OpenLogin(tunnel, request, settings, opened);
    this.#queue.add(login);
    this.#same.add(login);
    if (this.#queue.first === login) this.#schedule();
    return login;
  }

  /** The tunnel closes. */
  remove(login: OpenLogin): void {
    if (!login.isOpen) return;
    login.isOpen = false;
    this.#queue.remove(login);
    this.#same.remove(login);
    login.check?.abort('the tunnel has closed');
  }

  /** Ends all checks, and starts no further ones. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#turn);
    this.#turn = undefined;
    for (const login of [...this.#queue.all(), ...this.#running]) this.remove(login);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { first } = this.#queue;
    if (!first || this.#isStopped || this.#turn) return;
    const pause = Math.max(1, first.due - performance.now());
    const delay = this.#isFull() ? Math.max(pause, SEARCH_INTERVAL * 1000) : pause;
    this.#timer = this.#resource.runInAsyncScope(() => setTimeout(onTimer, delay, this));
    this.#timer.unref();
  }

  /** Called by the timer. */
  run(): void {
    this.#turn = undefined;
    if (this.#isStopped) return;
    if (this.#isFull()) this.#endOverdue();
    let left = MOST_PER_TURN;
    const now = performance.now();
    for (
      let next = this.#queue.first;
      next && next.earliest <= now && !this.#isFull();
      next = this.#queue.first
    ) {
      if (!this.#hanging.admits(next)) {
        this.#queue.remove(next);
        next.postpone(POSTPONED);
        this.#queue.add(next);
        continue;
      }
      if (left-- === 0) {
        this.#continue();
        return;
      }
      this.#queue.remove(next);
      this.#start(next);
    }
    this.#schedule();
  }

  #isFull(): boolean {
    return this.#running.size >= MOST_AT_ONCE;
  }

  /** Goes on in the next event-loop turn. */
  #continue(): void {
    if (this.#isStopped) return;
    this.#turn ??= this.#resource.runInAsyncScope(() => setImmediate(onTimer, this));
  }

  #start(login: OpenLogin): void {
    this.#running.add(login);
    this.#hanging.begun(login);
    // Only tunnels that are open already: the app's answer may be older than the login of a tunnel that opens meanwhile.
    const others = this.#same.othersOf(login).filter((other) => other.place !== -1);
    for (const other of others) this.#queue.remove(other);
    const logins = [login, ...others];
    const touch = logins.map((one) => one.begin()).includes(true);
    const seconds = Math.min(...logins.map((one) => one.secondsFor(ANSWER_TIMEOUT)));
    const owner = {
      settled: (outcome: CheckOutcome) => this.#settled(logins, outcome),
      released: () => this.#release(logins),
    };
    try {
      login.check = new LoginCheck(login.request, { seconds, touch }, owner);
    } catch (error) {
      // The server may have classes of its own for requests and responses.
      owner.settled({ kind: 'unanswered', reason: `the request could not be made: ${messageOf(error)}` });
      owner.released();
      return;
    }
    const { check } = login;
    // Of its own for each check: what one request of the app enters in an AsyncLocalStorage must not reach the next.
    new AsyncResource('express-wstunnel.check', { requireManualDestroy: true }).runInAsyncScope(() =>
      check.start(),
    );
  }

  /** `logins`: first the login whose request was sent. */
  #settled([login, ...others]: OpenLogin[], outcome: CheckOutcome): void {
    if (!login?.isOpen) return;
    this.#hanging.settled(login, outcome.kind !== 'unanswered');
    if (login.check?.isForOneTunnel) for (const one of [login, ...others]) this.#same.remove(one);
    else for (const other of others) this.#decide(other, outcome);
    this.#decide(login, outcome);
  }

  #decide(login: OpenLogin, outcome: CheckOutcome): void {
    if (!login.isOpen) return;
    const { tunnel } = login;
    const verdict = verdictOf(outcome, this.#owner, tunnel);
    this.#results[verdict.kind]++;
    if (verdict.kind !== 'unclear') this.#verdictAt = performance.now();
    if (verdict.kind === 'ok') {
      login.passed();
      this.#log('guard', 'debug', '%s login check: passed', tunnel.id);
      return;
    }
    this.#log('guard', 'info', '%s login check: %s, %s', tunnel.id, verdict.kind, verdict.detail);
    if (verdict.kind === 'ended') tunnel.loginEnded(endingOf(verdict.cause, verdict.reason));
    else if (login.secondsLeft === 0) endUnclear(login);
    else login.unclear(verdict.retryAfter);
  }

  #release(logins: OpenLogin[]): void {
    for (const login of logins) {
      login.check = undefined;
      this.#running.delete(login);
      this.#hanging.released(login);
      if (login.isOpen && !this.#isStopped) this.#queue.add(login);
    }
    this.#continue();
  }

  /**
   * Ends the tunnels that can't be checked in time because all checks under way hang. After a stall of this process the tunnels are
   * overdue as well, but the app answers.
   */
  #endOverdue(): void {
    if (performance.now() - this.#verdictAt < SILENCE * 1000) return;
    for (const login of this.#queue.all()) if (login.secondsLeft === 0) endUnclear(login);
  }
}

function endUnclear({ tunnel }: OpenLogin): void {
  tunnel.loginEnded(endingOf('login-unclear', 'the login could not be checked'));
}

function onTimer(checks: LoginChecks): void {
  checks.run();
}

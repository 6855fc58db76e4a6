import { messageOf } from '../errors.js';
import type { Backplane, Beat, SlotCount, SlotRequest, TakeOutcome } from './backplane.js';
import { StoreError, withDeadline } from './deadline.js';
import type { ReplicaSettings } from './replica-settings.js';
import { StoreClock } from './store-clock.js';

/** Heartbeats in each `ttl`: the lease survives the loss of two. */
const BEATS = 3;

/** Seconds until the first try to reach the store again, and the most between two tries. */
const FIRST_RETRY = 0.25;
const LAST_RETRY = 5;

/** The number of counts that each heartbeat writes again, since the store may have lost counts. */
const REFRESHED = 250;

/** Seconds within which every count is written again, however many there are: the store forgets counts that are not written for hours. */
const REFRESH_WITHIN = 7200;

/** Timeouts for a join, which writes all counts: this many times `timeout`, and one more for each `COUNTS_IN_TIMEOUT` counts. */
const JOIN_TIMEOUTS = 5;
const COUNTS_IN_TIMEOUT = 2000;

/** Most tries of a request for slots, which a join may interrupt. */
const MAX_TAKES = 3;

/** Milliseconds after which changes of counts are sent, so that a busy replica sends the changes of several tunnels together. */
const FLUSH_AFTER = 3;

/** Milliseconds between two reports of values that are not counts: each request for a slot finds such a value again. */
const REPORT_EVERY = 60_000;

/** An outcome that says whether slots were free. */
type Answered = Extract<TakeOutcome, { lastEnd: string }>;

/** The parts of this process that a replica needs. */
export interface ReplicaOwner {
  /** The slots in use in this process. */
  counts(): SlotCount[];
  /** The store answers, or no longer answers. */
  changed(isUp: boolean, reason: string): void;
  /** The store was empty, and the other replicas must join again. */
  emptied(): void;
  /** The store has a value that is not a count, so that a limit cannot be applied. Called at most once a minute. */
  broken(reason: string): void;
  /** The store has answered. Resolves when all ends up to `lastEnd` have been applied. */
  caughtUp(beat: Pick<Beat, 'lastEnd'> & Partial<Beat>, cause: 'first join' | 'join' | 'call'): Promise<void>;
}

/**
 * The lease of this process in the store. A replica keeps the store's counts equal to those of this process, which are the truth.
 * After any doubt (a call without an answer, an expired lease, an emptied store) the replica joins again under a new id with all of
 * its counts, and the store ignores the counts under the old id.
 *
 *     new ──> joining ──> up ──(a call fails)──> down ──(retry)──> joining ...
 *                          └──(unknown to the store)──> joining
 */
export class Replica {
  readonly #backplane: Backplane;
  readonly #settings: ReplicaSettings;
  readonly #owner: ReplicaOwner;
  #generation = 0;
  #id: string | undefined;
  #status: 'joining' | 'up' | 'down' | 'closed' = 'joining';
  #joining: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #hasJoined = false;
  #isAnnouncedUp: boolean | undefined;
  #changes = new Map<string, number>();
  readonly #clock = new StoreClock();
  #flushing: NodeJS.Timeout | undefined;
  #replicas: readonly string[] = [];
  /** The index of the count with which the next heartbeat continues to write. */
  #refreshed = 0;
  /** The id of the last end at the latest answer. If the id is unchanged, there are no ends to read. */
  #caughtUpTo: string | undefined;
  #reportedAt = -Infinity;

  constructor(backplane: Backplane, settings: ReplicaSettings, owner: ReplicaOwner) {
    this.#backplane = backplane;
    this.#settings = settings;
    this.#owner = owner;
  }

  get isUp(): boolean {
    return this.#status === 'up';
  }

  /** The addresses of all replicas at the last heartbeat, this one included. */
  get replicas(): readonly string[] {
    return this.#replicas.map(nameOfId);
  }

  /** Another replica has joined. */
  joined(name: string): void {
    if (!this.replicas.includes(name)) this.#replicas = [...this.#replicas, `${name}#0`];
  }

  /** Another replica has left. */
  left(name: string): void {
    this.#replicas = this.#replicas.filter((id) => nameOfId(id) !== name);
  }

  /** The number of joins so far, failed ones included. */
  get generation(): number {
    return this.#generation;
  }

  /** A time of the past on the store's clock as a value of `performance.now()`. */
  localTime(storeTime: number): number {
    return this.#clock.latest(storeTime);
  }

  /** The current time on the store's clock, in milliseconds. */
  get storeTime(): number {
    return performance.now() + this.#clock.ahead;
  }

  /** As announced: stays true while this replica joins again because the store has forgotten it. */
  get isReached(): boolean {
    return this.#isAnnouncedUp === true;
  }

  /** Has the store been reached before? Until then, no other replica is known. */
  get hasJoined(): boolean {
    return this.#hasJoined;
  }

  /** Sends a heartbeat now: the connection to the store may be lost. */
  check(): void {
    if (this.#status === 'up') this.#schedule(0);
  }

  /** Joins now, if the replica is not joining already. Never rejects. */
  join(): Promise<void> {
    if (this.#status === 'closed') return Promise.resolve();
    this.#joining ??= this.#tryToJoin().finally(() => (this.#joining = undefined));
    return this.#joining;
  }

  /** Takes one slot under each name. Rejects with a {@link StoreError} while the store is down. */
  async take(slots: readonly SlotRequest[]): Promise<Answered & { generation: number }> {
    for (let tries = 0; tries < MAX_TAKES; tries++) {
      if (this.#joining) await withDeadline(this.#settings.timeout, () => this.join());
      const id = this.#id;
      if (this.#status !== 'up' || id === undefined) throw new StoreError('the store cannot be reached');
      const outcome = await this.#call(() => this.#backplane.take(id, slots));
      // A join has changed the id: the store ignores counts under the earlier one.
      if (id !== this.#id) continue;
      if (outcome.kind === 'broken') {
        this.#report(outcome.reason);
        throw new StoreError(outcome.reason);
      }
      if (outcome.kind === 'recovering')
        throw new StoreError('the store was emptied, and is being filled again');
      // A freed slot of this process may not have been sent yet. Calls arrive in order: send the changes, and ask again.
      if (outcome.kind === 'full' && tries === 0 && this.#flush()) continue;
      if (outcome.kind !== 'unknown') {
        const generation = this.#generation;
        if (outcome.lastEnd !== this.#caughtUpTo) {
          await this.#call(() => this.#owner.caughtUp(outcome, 'call'));
          this.#caughtUpTo = outcome.lastEnd;
        }
        return { ...outcome, generation };
      }
      await withDeadline(this.#settings.timeout, () => this.join());
    }
    throw new StoreError('the store has forgotten this replica');
  }

  /** Adds to the store's count of this replica, a few milliseconds later. The count of this process has changed already. */
  adjust(name: string, change: number): void {
    if (this.#status !== 'up') return;
    this.#flushing ??= setTimeout(() => this.#flush(), FLUSH_AFTER);
    this.#changes.set(name, (this.#changes.get(name) ?? 0) + change);
  }

  /** Runs a call to the store with a deadline. After a failure the replica joins again, since the call may have had an effect. */
  async call<T>(act: () => Promise<T>): Promise<T> {
    return this.#call(act);
  }

  async close(): Promise<void> {
    const wasDown = this.#status === 'down';
    this.#status = 'closed';
    clearTimeout(this.#timer);
    const { timeout } = this.#settings;
    // The lease of a join that completes after this call would stay until its expiry.
    const joining = this.#joining;
    if (joining) await withDeadline(timeout, () => joining).catch(() => undefined);
    const id = this.#id;
    if (id === undefined) return;
    // Sent also while the store is down: the client may have queued a join, and sends this call after the join when the store is back.
    const leaving = withDeadline(timeout, () => this.#backplane.leave(id)).catch(() => undefined);
    if (!wasDown) await leaving;
  }

  async #call<T>(act: () => Promise<T>): Promise<T> {
    const generation = this.#generation;
    try {
      return await withDeadline(this.#settings.timeout, act);
    } catch (error) {
      if (generation === this.#generation) this.#fail(error);
      throw error instanceof StoreError ? error : new StoreError(messageOf(error), { cause: error });
    }
  }

  async #tryToJoin(): Promise<void> {
    clearTimeout(this.#timer);
    this.#status = 'joining';
    const { name, timeout } = this.#settings;
    const before = this.#id;
    const id = `${name}#${++this.#generation}`;
    this.#id = id;
    this.#changes.clear();
    this.#caughtUpTo = undefined;
    const counts = this.#owner.counts();
    const seconds = timeout * (JOIN_TIMEOUTS + counts.length / COUNTS_IN_TIMEOUT);
    try {
      const started = performance.now();
      const beat = await withDeadline(seconds, () => this.#backplane.join(id, before, counts));
      this.#note(beat, started);
      await withDeadline(seconds, () => this.#owner.caughtUp(beat, this.#hasJoined ? 'join' : 'first join'));
      if (this.#isClosed()) return;
      this.#hasJoined = true;
      this.#status = 'up';
      this.#failures = 0;
      this.#adjustSince(counts);
      this.#schedule(this.#settings.ttl / BEATS);
      this.#announce(true, 'the store is reached');
      if (beat.wasEmpty) this.#owner.emptied();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Sends the changes of counts since the join began: slots may have been taken and released while the counts were being written. */
  #adjustSince(counts: readonly SlotCount[]): void {
    const changes = new Map(counts.map(({ name, count }) => [name, -count]));
    for (const { name, count } of this.#owner.counts()) changes.set(name, (changes.get(name) ?? 0) + count);
    for (const [name, change] of changes) if (change !== 0) this.adjust(name, change);
  }

  async #beat(): Promise<void> {
    const id = this.#id;
    if (this.#status !== 'up' || id === undefined) return;
    try {
      const started = performance.now();
      const beat = await this.#call(() => this.#backplane.beat(id));
      if (this.#isClosed() || id !== this.#id) return;
      if (!beat.isKnown) {
        await this.join();
        return;
      }
      this.#note(beat, started);
      await this.#call(() => this.#owner.caughtUp(beat, 'call'));
      await this.#refresh(id);
      this.#schedule(this.#settings.ttl / BEATS);
    } catch {
      // The call has changed the status.
    }
  }

  /** Writes the next part of the counts again. */
  async #refresh(id: string): Promise<void> {
    const counts = this.#owner.counts();
    if (this.#status !== 'up' || counts.length === 0) return;
    // Pending changes are sent first: the count to write includes them, and they would be added a second time.
    this.#flush();
    const share = this.#settings.ttl / BEATS / REFRESH_WITHIN;
    const most = Math.max(REFRESHED, Math.ceil(counts.length * share));
    const from = this.#refreshed < counts.length ? this.#refreshed : 0;
    this.#refreshed = from + most;
    await this.#call(() => this.#backplane.refresh(id, counts.slice(from, from + most)));
  }

  #note({ now, replicas }: Beat, started: number): void {
    this.#clock.note(now, started, performance.now());
    this.#replicas = replicas;
  }

  /** Returns false if there was nothing to send. */
  #flush(): boolean {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    const id = this.#id;
    const changes = Array.from(this.#changes, ([name, count]) => ({ name, count }));
    this.#changes.clear();
    const real = changes.filter(({ count }) => count !== 0);
    if (real.length === 0 || this.#status !== 'up' || id === undefined) return false;
    this.#call(() => this.#backplane.adjust(id, real)).catch(() => undefined);
    return true;
  }

  #fail(error: unknown): void {
    if (this.#isClosed()) return;
    this.#status = 'down';
    this.#changes.clear();
    const pause = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** this.#failures++);
    // A random pause, so that replicas that lost the store together do not all come back together.
    this.#schedule(pause * (0.5 + Math.random() / 2));
    this.#announce(false, this.#backplane.failure ?? messageOf(error));
  }

  #report(reason: string): void {
    const now = performance.now();
    if (now - this.#reportedAt < REPORT_EVERY) return;
    this.#reportedAt = now;
    this.#owner.broken(reason);
  }

  #announce(isUp: boolean, reason: string): void {
    if (this.#isAnnouncedUp === isUp) return;
    this.#isAnnouncedUp = isUp;
    this.#owner.changed(isUp, reason);
  }

  #schedule(seconds: number): void {
    clearTimeout(this.#timer);
    if (this.#isClosed()) return;
    this.#timer = setTimeout(() => void (this.#status === 'up' ? this.#beat() : this.join()), seconds * 1000);
    this.#timer.unref();
  }

  #isClosed(): boolean {
    return this.#status === 'closed';
  }
}

/** The address of a replica, from its id: the id is the address with the number of the join. */
export function nameOfId(id: string): string {
  return id.slice(0, id.lastIndexOf('#'));
}

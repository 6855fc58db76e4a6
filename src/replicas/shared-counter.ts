import { LocalCounter, type Counter, type SlotRequest, type Slots } from '../guard/counter.js';
import type { Lease } from '../helpers/lease.js';
import type { SlotCount } from './backplane.js';
import { StoreError, withDeadline } from './deadline.js';
import type { Replica } from './replica.js';
import type { ReplicaSettings } from './replica-settings.js';

/** Counts slots over all replicas. The counts of this process are the truth, and the store has a copy of them. */
export class SharedCounter implements Counter {
  readonly #local = new LocalCounter();
  readonly #replica: () => Replica;
  readonly #isLocalAllowed: boolean;
  readonly #timeout: number;
  /** The kinds of names (`client`, `user`, `host` ...) with a limit: counts of other kinds are not sent. */
  readonly #kinds = new Set<string>();

  constructor(replica: () => Replica, { whenDown, timeout }: ReplicaSettings) {
    this.#replica = replica;
    this.#isLocalAllowed = whenDown === 'local';
    this.#timeout = timeout;
  }

  /** The slots in use in this process, of kinds with a limit. */
  counts(): SlotCount[] {
    const counts: SlotCount[] = [];
    for (const { name, used } of this.#local.entries())
      if (this.#kinds.has(kindOf(name))) counts.push({ name, count: used });
    return counts;
  }

  /**
   * Slots of these kinds have a limit from now on. The slots already in use in this process, such as those under earlier options,
   * are sent to the store: other processes may have the limit as well.
   */
  limit(kinds: readonly string[]): void {
    const unsent = kinds.filter((kind) => !this.#kinds.has(kind));
    for (const kind of unsent) this.#kinds.add(kind);
    if (this.counts().some(({ name }) => unsent.includes(kindOf(name)))) void this.#replica().join();
  }

  take(slots: readonly SlotRequest[]): Lease | number | Promise<Lease | number> {
    const full = this.#local.fullOf(slots);
    if (full !== -1) return full;
    const limited = slots.filter(({ most }) => most !== Infinity);
    return limited.length === 0 ? this.#takeHere(slots, slots) : this.#takeShared(slots, limited);
  }

  async #takeShared(slots: readonly SlotRequest[], limited: readonly SlotRequest[]): Promise<Lease | number> {
    const replica = this.#replica();
    const unsent = limited.map(({ name }) => kindOf(name)).filter((kind) => !this.#kinds.has(kind));
    for (const kind of unsent) this.#kinds.add(kind);
    // Reloaded options may have a new limit: tunnels that are already open count as well.
    const isUnsentInUse =
      unsent.length > 0 && this.counts().some(({ name }) => unsent.includes(kindOf(name)));
    try {
      if (isUnsentInUse) await withDeadline(this.#timeout, () => replica.join());
      const outcome = await this.#takeInTime(replica, limited);
      if (outcome.kind === 'full')
        return slots.findIndex(({ name }) => name === limited[outcome.index]?.name);
      // If the replica has joined again since the answer, the store has forgotten these slots.
      const isForgotten = outcome.generation !== replica.generation;
      const unlimited = slots.map(({ name }) => ({ name, most: Infinity }));
      return this.#takeHere(unlimited, isForgotten ? slots : slots.filter((slot) => !limited.includes(slot)));
    } catch (error) {
      if (!(error instanceof StoreError) || !this.#isLocalAllowed) throw error;
      return this.#takeHere(slots, slots);
    }
  }

  /** Takes slots with a deadline. Slots that the store gives after the deadline are returned. */
  async #takeInTime(replica: Replica, slots: readonly SlotRequest[]): ReturnType<Replica['take']> {
    const taking = replica.take(slots);
    try {
      return await withDeadline(this.#timeout, () => taking);
    } catch (error) {
      taking.then(
        ({ kind, generation }) => {
          if (kind === 'taken' && generation === replica.generation)
            for (const { name } of slots) replica.adjust(name, -1);
        },
        () => undefined,
      );
      throw error;
    }
  }

  /** `uncounted`: the slots that the store has not counted. Their kinds may have a limit in other options or for other requests. */
  #takeHere(slots: readonly SlotRequest[], uncounted: readonly SlotRequest[]): Lease | number {
    const lease = this.#local.take(slots);
    if (typeof lease === 'number') return lease;
    for (const { name } of uncounted) this.#adjust(name, 1);
    return new SharedLease(this, lease);
  }

  /** A slot under each name is free again. */
  released(names: readonly string[]): void {
    for (const name of names) this.#adjust(name, -1);
  }

  #adjust(name: string, change: number): void {
    if (this.#kinds.has(kindOf(name))) this.#replica().adjust(name, change);
  }
}

/** Reads the names from the local slots, so that an open tunnel has no second copy of the names. */
class SharedLease implements Lease {
  readonly #counter: SharedCounter;
  readonly #slots: Slots;

  constructor(counter: SharedCounter, slots: Slots) {
    this.#counter = counter;
    this.#slots = slots;
  }

  release(): void {
    const { names } = this.#slots;
    this.#slots.release();
    this.#counter.released(names);
  }
}

function kindOf(name: string): string {
  const end = name.indexOf(' ');
  return end === -1 ? name : name.slice(0, end);
}

import type { Lease } from '../helpers/lease.js';

/** A request for one slot under a name. */
export interface SlotRequest {
  /** A word such as `total`, or a word, a space and the client, user or host of the count, such as `user ann`. */
  readonly name: string;
  /** Limit of slots in use. */
  readonly most: number;
}

/** Counts slots. The result may be asynchronous, so that several processes can share a counter. */
export interface Counter {
  /** One slot under each name, or the index of the first name without a free slot: then no slot is taken. */
  take(slots: readonly SlotRequest[]): Lease | number | Promise<Lease | number>;
}

/** The slots in use under a name. */
interface Usage {
  readonly name: string;
  used: number;
}

/** Counts within this process. */
export class LocalCounter implements Counter {
  readonly #counts = new Map<string, Usage>();

  take(slots: readonly SlotRequest[]): Slots | number {
    const full = this.fullOf(slots);
    if (full !== -1) return full;
    return new Slots(
      this,
      slots.map(({ name }) => this.#use(name)),
    );
  }

  /** The index of the first name without a free slot, or -1. */
  fullOf(slots: readonly SlotRequest[]): number {
    return slots.findIndex(({ name, most }) => (this.#counts.get(name)?.used ?? 0) >= most);
  }

  /** The names with slots in use. */
  entries(): Iterable<Usage> {
    return this.#counts.values();
  }

  release(usage: Usage): void {
    if (--usage.used === 0) this.#counts.delete(usage.name);
  }

  #use(name: string): Usage {
    const usage = this.#counts.get(name) ?? { name, used: 0 };
    if (usage.used++ === 0) this.#counts.set(name, usage);
    return usage;
  }
}

/** One slot under each of several names. The slots of a name share the count, and thereby the memory of the name. */
export class Slots implements Lease {
  readonly #counter: LocalCounter;
  #usages: readonly Usage[];

  constructor(counter: LocalCounter, usages: readonly Usage[]) {
    this.#counter = counter;
    this.#usages = usages;
  }

  /** Empty after the release. */
  get names(): string[] {
    return this.#usages.map(({ name }) => name);
  }

  release(): void {
    const usages = this.#usages;
    this.#usages = [];
    for (const usage of usages) this.#counter.release(usage);
  }
}

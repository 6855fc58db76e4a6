import { isAfter } from './end-ids.js';
import type {
  Backplane,
  BackplaneListener,
  Beat,
  Joined,
  SlotCount,
  SlotRequest,
  StoredEnd,
  TakeOutcome,
} from './backplane.js';
import { TicketMemory, type TicketOutcome, type TicketPut } from './ticket-memory.js';

/** Limit of remembered ends. */
const MAX_ENDS = 10_000;

/** The store of a {@link Backplane} in the memory of one process, for replicas in this process or in connected processes. */
export class MemoryStore {
  readonly #milliseconds: number;
  /** Expiry by replica, by `performance.now()`. */
  readonly #replicas = new Map<string, number>();
  /** Counts by replica, by name. */
  readonly #slots = new Map<string, Map<string, number>>();
  #ends: (StoredEnd & { readonly previous: string })[] = [];
  #lastEnd = '0-0';
  #count = 0;
  readonly #listeners = new Map<string, BackplaneListener>();
  readonly #tickets = new TicketMemory<string>();

  /** `ttl`: seconds without a heartbeat after which a replica loses its slots. */
  constructor(ttl: number) {
    this.#milliseconds = ttl * 1000;
  }

  join(replica: string, before: string | undefined, counts: readonly SlotCount[]): Joined {
    if (before !== undefined) this.leave(before);
    this.#replicas.set(replica, performance.now() + this.#milliseconds);
    for (const { name, count } of counts) this.#add(replica, name, count);
    return { ...this.beat(replica), wasEmpty: false };
  }

  beat(replica: string): Beat {
    const isKnown = this.#isAlive(replica);
    if (isKnown) this.#replicas.set(replica, performance.now() + this.#milliseconds);
    return { isKnown, now: storeTime(), lastEnd: this.#lastEnd, replicas: this.#alive() };
  }

  take(replica: string, slots: readonly SlotRequest[]): TakeOutcome {
    if (!this.#isAlive(replica)) return { kind: 'unknown' };
    const lastEnd = this.#lastEnd;
    const index = slots.findIndex(({ name, most }) => this.#used(name) >= most);
    if (index !== -1) return { kind: 'full', index, lastEnd };
    for (const { name } of slots) this.#add(replica, name, 1);
    return { kind: 'taken', lastEnd };
  }

  adjust(replica: string, changes: readonly SlotCount[]): void {
    if (!this.#isAlive(replica)) return;
    for (const { name, count } of changes) this.#add(replica, name, count);
  }

  leave(replica: string): void {
    this.#replicas.delete(replica);
    for (const [name, counts] of this.#slots)
      if (counts.delete(replica) && counts.size === 0) this.#slots.delete(name);
  }

  storeEnd(text: string): StoredEnd & { previous: string; replicas: readonly string[] } {
    const at = storeTime();
    const end = { id: `${at}-${++this.#count}`, at, text, previous: this.#lastEnd };
    this.#lastEnd = end.id;
    this.#ends.push(end);
    if (this.#ends.length > MAX_ENDS) this.#ends = this.#ends.slice(-MAX_ENDS / 2);
    return { ...end, replicas: this.#alive() };
  }

  endsAfter(id: string): { ends: readonly StoredEnd[]; isComplete: boolean } {
    const ends = this.#ends.filter((end) => isAfter(end.id, id));
    return { ends, isComplete: !isAfter(ends[0]?.previous ?? this.#lastEnd, id) };
  }

  putTicket(id: string, content: string, milliseconds: number, owner?: string): TicketPut {
    return this.#tickets.put(id, content, milliseconds, owner);
  }

  takeTicket(id: string): TicketOutcome<string> {
    return this.#tickets.take(id);
  }

  publish(text: string, to?: string): void {
    const listeners = to === undefined ? [...this.#listeners.values()] : [this.#listeners.get(to)];
    for (const listener of listeners) listener?.message(text);
  }

  listen(name: string, listener: BackplaneListener): void {
    this.#listeners.set(name, listener);
  }

  unlisten(name: string): void {
    this.#listeners.delete(name);
  }

  #isAlive(replica: string): boolean {
    const expiry = this.#replicas.get(replica);
    if (expiry !== undefined && expiry > performance.now()) return true;
    if (expiry !== undefined) this.leave(replica);
    return false;
  }

  #alive(): string[] {
    return [...this.#replicas.keys()].filter((replica) => this.#isAlive(replica));
  }

  #used(name: string): number {
    let sum = 0;
    for (const [replica, count] of this.#slots.get(name) ?? []) if (this.#isAlive(replica)) sum += count;
    return sum;
  }

  #add(replica: string, name: string, change: number): void {
    const counts = this.#slots.get(name) ?? new Map<string, number>();
    const count = (counts.get(replica) ?? 0) + change;
    if (count > 0) counts.set(replica, count);
    else counts.delete(replica);
    if (counts.size > 0) this.#slots.set(name, counts);
    else this.#slots.delete(name);
  }
}

/** A monotonic time in milliseconds that all processes of one machine share: somebody may set the system clock. */
function storeTime(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/** A {@link Backplane} for replicas within one process. */
export class MemoryBackplane implements Backplane {
  readonly #store: MemoryStore;
  #name: string | undefined;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  join(replica: string, before: string | undefined, counts: readonly SlotCount[]): Promise<Joined> {
    return Promise.resolve(this.#store.join(replica, before, counts));
  }

  beat(replica: string): Promise<Beat> {
    return Promise.resolve(this.#store.beat(replica));
  }

  take(replica: string, slots: readonly SlotRequest[]): Promise<TakeOutcome> {
    return Promise.resolve(this.#store.take(replica, slots));
  }

  adjust(replica: string, changes: readonly SlotCount[]): Promise<void> {
    this.#store.adjust(replica, changes);
    return Promise.resolve();
  }

  refresh(): Promise<void> {
    // This store forgets no count of a live replica.
    return Promise.resolve();
  }

  leave(replica: string): Promise<void> {
    this.#store.leave(replica);
    return Promise.resolve();
  }

  storeEnd(text: string): Promise<ReturnType<MemoryStore['storeEnd']>> {
    return Promise.resolve(this.#store.storeEnd(text));
  }

  endsAfter(id: string): Promise<ReturnType<MemoryStore['endsAfter']>> {
    return Promise.resolve(this.#store.endsAfter(id));
  }

  putTicket(id: string, content: string, milliseconds: number, owner?: string): Promise<TicketPut> {
    return Promise.resolve(this.#store.putTicket(id, content, milliseconds, owner));
  }

  takeTicket(id: string): Promise<TicketOutcome<string>> {
    return Promise.resolve(this.#store.takeTicket(id));
  }

  publish(text: string, to?: string): Promise<void> {
    this.#store.publish(text, to);
    return Promise.resolve();
  }

  listen(name: string, listener: BackplaneListener): Promise<void> {
    this.#name = name;
    this.#store.listen(name, listener);
    return Promise.resolve();
  }

  close(): Promise<void> {
    if (this.#name !== undefined) this.#store.unlisten(this.#name);
    return Promise.resolve();
  }
}

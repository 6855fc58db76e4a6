import type { SlotRequest } from '../guard/counter.js';
import type { TicketOutcome } from './ticket-memory.js';

export type { SlotRequest } from '../guard/counter.js';

/** A count of slots under a name, as the store knows it. */
export interface SlotCount {
  readonly name: string;
  readonly count: number;
}

/** A call of `end()` in the store, for replicas that missed the message. */
export interface StoredEnd {
  /** Milliseconds on the store's clock, "-" and a number. Ids grow with each call. */
  readonly id: string;
  /** Milliseconds on the store's clock. */
  readonly at: number;
  readonly text: string;
}

/** The outcome of a request for slots. */
export type TakeOutcome =
  | { readonly kind: 'taken'; readonly lastEnd: string }
  /** `index`: of the first name without a free slot. No slot was taken. */
  | { readonly kind: 'full'; readonly index: number; readonly lastEnd: string }
  /** The store does not know this replica: the lease has expired, or the store was emptied. */
  | { readonly kind: 'unknown' }
  /** The store was emptied a moment ago, and replicas are still writing their counts. */
  | { readonly kind: 'recovering' }
  /** The store has a value of another kind under a name. */
  | { readonly kind: 'broken'; readonly reason: string };

/** The state of the store at a heartbeat. */
export interface Beat {
  /** False if the lease of this replica has expired, or the store was emptied. */
  readonly isKnown: boolean;
  /** Milliseconds on the store's clock. */
  readonly now: number;
  /** The id of the last stored end. */
  readonly lastEnd: string;
  /** Replicas whose leases have not expired, with this one. */
  readonly replicas: readonly string[];
}

/** The state of the store after a join. */
export interface Joined extends Beat {
  /** The store had lost all replicas, or never had one: the other replicas must write their counts as well. */
  readonly wasEmpty: boolean;
}

/** The receivers of a backplane's news. */
export interface BackplaneListener {
  /** A message of any replica, this one included. */
  message(text: string): void;
  /** The connection was interrupted, and messages may be lost. */
  interrupted(): void;
}

/**
 * The connection between replicas: a store of slots by replica, a short list of ends, and messages to all replicas. Each method may
 * reject or never settle: the callers have deadlines. A replica of which nothing is heard for `ttl` seconds loses its slots.
 */
export interface Backplane {
  /** Adds a replica with its counts, and removes `before`, its earlier id, at the same moment. */
  join(replica: string, before: string | undefined, counts: readonly SlotCount[]): Promise<Joined>;
  beat(replica: string): Promise<Beat>;
  /** Takes one slot under each name, or none at all. */
  take(replica: string, slots: readonly SlotRequest[]): Promise<TakeOutcome>;
  /** Changes counts of this replica. */
  adjust(replica: string, changes: readonly SlotCount[]): Promise<void>;
  /** Raises counts to these if they are lower: the store may have lost some, and forgets those that nobody writes. */
  refresh(replica: string, counts: readonly SlotCount[]): Promise<void>;
  leave(replica: string): Promise<void>;
  /** Stores an end. Returns its id, the id of the end before, and the replicas that will hear of the end. */
  storeEnd(
    text: string,
  ): Promise<StoredEnd & { readonly previous: string; readonly replicas: readonly string[] }>;
  /** The ends after this id, oldest first, all or the first of them. `isComplete`: false if older ones are forgotten already. */
  endsAfter(id: string): Promise<{ readonly ends: readonly StoredEnd[]; readonly isComplete: boolean }>;
  /** Stores a ticket for so many milliseconds. Returns false if the store has as many as it may have. */
  putTicket(id: string, content: string, milliseconds: number): Promise<boolean>;
  /** Uses a ticket up. Of all calls for one ticket, one gets the content. */
  takeTicket(id: string): Promise<TicketOutcome<string>>;
  /** Sends a message to all replicas, this one included, or to one. `to`: the name of a replica. */
  publish(text: string, to?: string): Promise<void>;
  /** Begins to deliver the messages to all, and those to this name. Resolves when no message is lost from now on. A second call replaces the first. */
  listen(name: string, listener: BackplaneListener): Promise<void>;
  /** Ends deliveries, and releases all that the backplane has opened. */
  close(): Promise<void>;
}

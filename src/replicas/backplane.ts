import type { SlotRequest } from '../guard/counter.js';
import type { TicketOutcome, TicketPut } from './ticket-memory.js';

export type { SlotRequest } from '../guard/counter.js';

/** A number of slots under a name. */
export interface SlotCount {
  readonly name: string;
  readonly count: number;
}

/** A stored call of `end()`, for replicas that missed the message about the call. */
export interface StoredEnd {
  /** `MILLISECONDS-NUMBER`, by the store's clock. Each id is greater than the id before. */
  readonly id: string;
  /** Milliseconds on the store's clock. */
  readonly at: number;
  readonly text: string;
}

/** The outcome of a request for slots. */
export type TakeOutcome =
  | { readonly kind: 'taken'; readonly lastEnd: string }
  /** `index`: the index of the first name without a free slot. No slot was taken. */
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
  /** The store had no replicas, since it is new or was emptied: the other replicas must write their counts as well. */
  readonly wasEmpty: boolean;
}

/** The receiver of a backplane's messages. */
export interface BackplaneListener {
  /** A message from any replica, this one included. */
  message(text: string): void;
  /** The connection was interrupted, and messages may be lost. */
  interrupted(): void;
  /** The connection may be lost: a heartbeat tells. */
  failed(): void;
}

/**
 * The connection between replicas: a store of counts by replica, a short list of ends, and messages to replicas. Each method may
 * reject or never settle: the callers have deadlines. A replica without a heartbeat for `ttl` seconds loses its slots.
 *
 * `replica` is the id of a replica, which changes with each join (see {@link Replica}).
 */
export interface Backplane {
  /** Why the connection to the store is lost, if the store's client knows. */
  readonly failure?: string | undefined;
  /** Adds a replica with its counts, and removes its earlier id (`before`) at the same moment. */
  join(replica: string, before: string | undefined, counts: readonly SlotCount[]): Promise<Joined>;
  beat(replica: string): Promise<Beat>;
  /** Takes one slot under each name, or none at all. */
  take(replica: string, slots: readonly SlotRequest[]): Promise<TakeOutcome>;
  /** Adds these numbers, which may be negative, to counts of this replica. */
  adjust(replica: string, changes: readonly SlotCount[]): Promise<void>;
  /** Raises lower counts of this replica to these: the store may have lost counts, and forgets counts that are not written for hours. */
  refresh(replica: string, counts: readonly SlotCount[]): Promise<void>;
  leave(replica: string): Promise<void>;
  /** Stores an end. Returns the end with its id, the id of the end before (`previous`), and the ids of all replicas. */
  storeEnd(
    text: string,
  ): Promise<StoredEnd & { readonly previous: string; readonly replicas: readonly string[] }>;
  /**
   * The ends after this id, oldest first: all of them, or only the first ones. `isComplete`: false if the store may have forgotten
   * ends after this id.
   */
  endsAfter(id: string): Promise<{ readonly ends: readonly StoredEnd[]; readonly isComplete: boolean }>;
  /** Stores a ticket for so many milliseconds. `owner`: a hash of its user, if the ticket has one. */
  putTicket(id: string, content: string, milliseconds: number, owner?: string): Promise<TicketPut>;
  /** Uses a ticket up. Of all calls for one ticket, one gets the content. */
  takeTicket(id: string): Promise<TicketOutcome<string>>;
  /** Sends a message to all replicas, this one included, or to one. `to`: the address of a replica. */
  publish(text: string, to?: string): Promise<void>;
  /**
   * Begins to deliver the messages to all replicas and those to the address `name`. Resolves when all further messages will be
   * delivered. A second call replaces the first.
   */
  listen(name: string, listener: BackplaneListener): Promise<void>;
  /** Ends deliveries, and closes what the backplane has opened. */
  close(): Promise<void>;
}

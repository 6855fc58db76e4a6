/** Most tickets in a store. */
export const MOST_TICKETS = 100_000;

/** Limit of unused tickets of one user: a single login must not fill the store. */
export const MOST_OF_USER = 1000;

/** Why a store has no room for a ticket: for any ticket, or for one more of this user. */
export type TicketPut = 'stored' | 'full' | 'user-full';

/** Milliseconds for which a store still knows a ticket after its expiry, so that the operator learns the reason of a refusal. */
export const KNOWN_AFTER_EXPIRY = 60_000;

/** Milliseconds between two searches for tickets to remove; one search of a full store takes a few milliseconds. */
const SEARCH_INTERVAL = 60_000;

/** Milliseconds between two such searches of a full store. */
const FULL_INTERVAL = 1000;

/** The result of `take()`. */
export type TicketOutcome<Content> =
  { readonly kind: 'taken'; readonly content: Content } | { readonly kind: 'unknown' | 'used' | 'expired' };

interface Entry<Content> {
  /** Undefined once the ticket was used. */
  content: Content | undefined;
  /** The user of the ticket, as a hash. */
  readonly owner: string | undefined;
  /** By `performance.now()`. */
  readonly until: number;
}

/** Tickets in the memory of one process, by id. One timer, which does not keep the process running, removes expired tickets. */
export class TicketMemory<Content> {
  readonly #tickets = new Map<string, Entry<Content>>();
  /** Ids of unused tickets by owner. */
  readonly #owned = new Map<string, Set<string>>();
  #timer: NodeJS.Timeout | undefined;
  #searchedAt = -Infinity;

  get size(): number {
    return this.#tickets.size;
  }

  put(id: string, content: Content, milliseconds: number, owner?: string): TicketPut {
    if (owner !== undefined && this.#unusedOf(owner) >= MOST_OF_USER) return 'user-full';
    if (this.#tickets.size >= MOST_TICKETS) this.#makeRoom();
    if (this.#tickets.size >= MOST_TICKETS) return 'full';
    this.#tickets.set(id, { content, owner, until: performance.now() + milliseconds });
    if (owner !== undefined) this.#own(owner, id);
    this.#schedule();
    return 'stored';
  }

  /** Of all calls for one ticket, one gets the content. */
  take(id: string): TicketOutcome<Content> {
    const entry = this.#tickets.get(id);
    if (!entry) return { kind: 'unknown' };
    const { content } = entry;
    if (content === undefined) return { kind: 'used' };
    entry.content = undefined;
    this.#disown(id, entry);
    return performance.now() < entry.until ? { kind: 'taken', content } : { kind: 'expired' };
  }

  /** Expired tickets do not count. */
  #unusedOf(owner: string): number {
    const ids = this.#owned.get(owner);
    if (!ids) return 0;
    if (ids.size < MOST_OF_USER) return ids.size;
    const now = performance.now();
    for (const id of ids) if ((this.#tickets.get(id)?.until ?? 0) <= now) ids.delete(id);
    return ids.size;
  }

  #own(owner: string, id: string): void {
    const ids = this.#owned.get(owner);
    if (ids) ids.add(id);
    else this.#owned.set(owner, new Set([id]));
  }

  #disown(id: string, { owner }: Entry<Content>): void {
    const ids = owner === undefined ? undefined : this.#owned.get(owner);
    if (owner === undefined || !ids) return;
    ids.delete(id);
    if (ids.size === 0) this.#owned.delete(owner);
  }

  /** Removes used and expired tickets, which are kept only to explain refusals. */
  #makeRoom(): void {
    const now = performance.now();
    if (now - this.#searchedAt < FULL_INTERVAL) return;
    this.#forget(({ content, until }) => content === undefined || until <= now);
  }

  #forget(isOver: (entry: Entry<Content>) => boolean): void {
    this.#searchedAt = performance.now();
    for (const [id, entry] of this.#tickets) {
      if (!isOver(entry)) continue;
      this.#tickets.delete(id);
      this.#disown(id, entry);
    }
  }

  #schedule(): void {
    if (this.#timer || this.#tickets.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const before = performance.now() - KNOWN_AFTER_EXPIRY;
      this.#forget(({ until }) => until <= before);
      this.#schedule();
    }, SEARCH_INTERVAL);
    this.#timer.unref();
  }
}

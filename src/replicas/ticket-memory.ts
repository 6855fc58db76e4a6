/** Most tickets in a store. */
export const MOST_TICKETS = 100_000;

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
  /** By `performance.now()`. */
  readonly until: number;
}

/** Tickets in the memory of one process, by id. One timer, which does not keep the process running, removes expired tickets. */
export class TicketMemory<Content> {
  readonly #tickets = new Map<string, Entry<Content>>();
  #timer: NodeJS.Timeout | undefined;
  #searchedAt = -Infinity;

  get size(): number {
    return this.#tickets.size;
  }

  /** Returns false if the store is full. */
  put(id: string, content: Content, milliseconds: number): boolean {
    if (this.#tickets.size >= MOST_TICKETS) this.#makeRoom();
    if (this.#tickets.size >= MOST_TICKETS) return false;
    this.#tickets.set(id, { content, until: performance.now() + milliseconds });
    this.#schedule();
    return true;
  }

  /** Of all calls for one ticket, one gets the content. */
  take(id: string): TicketOutcome<Content> {
    const entry = this.#tickets.get(id);
    if (!entry) return { kind: 'unknown' };
    const { content } = entry;
    if (content === undefined) return { kind: 'used' };
    entry.content = undefined;
    return performance.now() < entry.until ? { kind: 'taken', content } : { kind: 'expired' };
  }

  /** Removes used and expired tickets, which are kept only to explain refusals. */
  #makeRoom(): void {
    const now = performance.now();
    if (now - this.#searchedAt < FULL_INTERVAL) return;
    this.#forget(({ content, until }) => content === undefined || until <= now);
  }

  #forget(isOver: (entry: Entry<Content>) => boolean): void {
    this.#searchedAt = performance.now();
    for (const [id, entry] of this.#tickets) if (isOver(entry)) this.#tickets.delete(id);
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

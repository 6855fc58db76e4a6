/**
 * Bytes that all connections together read in an event-loop turn while at most two of the connections are queued, such as both
 * directions of one tunnel. Fewer and longer turns cost less CPU.
 */
const ALONE = 2 * 1024 * 1024;

/**
 * The same while more connections are queued, or interactive messages arrive: 0.1 to 0.3 ms of work. A keystroke, a new connection
 * or a request of a page takes two or three turns. By measurement, half of it would save 0.2 ms and cost an eighth of the
 * throughput.
 */
const CROWDED = 256 * 1024;

/** Milliseconds after an interactive message in which the next interactive message is expected. */
const EXPECTED = 1000;

/**
 * Connections of the queue that read in one turn. With more connections, each would read less, and a short read costs as much as a
 * long one.
 */
const MOST_GRANTS = 2;

/** A connection that can be queued for a turn. */
export interface TurnTaker {
  /** Reads up to {@link Turns.quantum} bytes in this turn. */
  takeTurn(): void;
}

/**
 * Shares the turns of the event loop among busy connections, by round robin with a quantum of bytes: a connection that has read its
 * share of a turn is queued, and the first connections of the queue read in the next turn. The round trip of a small message takes
 * two or three turns: the time depends on the length of a turn, and not on the number of busy connections.
 *
 * Without a limit, libuv reads a busy connection up to 32 times in a turn: 2 MiB of a server's connection, 16 MiB in reads of
 * 512 KiB (https://github.com/libuv/libuv/blob/v1.48.0/src/unix/stream.c, `uv__read`).
 */
export class Turns {
  /** The number of the current turn. */
  number = 0;
  /** Bytes that each connection from the queue may read in this turn. */
  quantum = ALONE;
  /** Bytes that all connections may read in this turn. */
  #most = ALONE;
  /** Bytes that all connections have read in this turn. */
  #bytes = 0;
  #smallAt = -Infinity;
  #queue: TurnTaker[] = [];
  #isScheduled = false;

  /** Is a connection queued for a turn? */
  get isBusy(): boolean {
    return this.#queue.length > 0;
  }

  /** Bytes that a connection which was not queued may still read, after `share` bytes in this turn. */
  left(share: number): number {
    return this.#most - Math.max(this.#bytes, share);
  }

  /** Counts bytes that a connection has read in this turn. */
  count(bytes: number): void {
    this.#bytes += bytes;
    this.#schedule();
  }

  /** An interactive message has arrived. */
  noteSmall(now: number): void {
    this.#smallAt = now;
    this.#most = CROWDED;
  }

  /** Queues a connection: `takeTurn` is called in a later turn, after the connections that were queued earlier. */
  await(taker: TurnTaker): void {
    this.#queue.push(taker);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#next);
  }

  readonly #next = (): void => {
    this.#isScheduled = false;
    this.number++;
    this.#bytes = 0;
    this.#most = this.#mostOf(this.#queue.length);
    if (this.#queue.length === 0) return;
    const takers = this.#queue.splice(0, MOST_GRANTS);
    this.quantum = this.#most / takers.length;
    for (const taker of takers) taker.takeTurn();
    if (this.#queue.length > 0) this.#schedule();
  };

  #mostOf(queued: number): number {
    if (queued > MOST_GRANTS) return CROWDED;
    if (this.#smallAt === -Infinity) return ALONE;
    if (performance.now() - this.#smallAt < EXPECTED) return CROWDED;
    this.#smallAt = -Infinity;
    return ALONE;
  }
}

/** The turns of this thread's event loop. */
export const turns = new Turns();

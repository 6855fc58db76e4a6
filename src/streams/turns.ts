/**
 * Bytes that all connections together read in an event-loop turn while up to two of them are busy (both directions of one tunnel,
 * for example): fewer turns cost less.
 */
const ALONE = 2 * 1024 * 1024;

/** The same while more connections are busy: 0.2 to 0.5 ms of work. A new connection or a page waits for two or three turns. */
const CROWDED = 512 * 1024;

/** The same while somebody types. By measurement, smaller turns cost throughput and gain little time. */
const INTERACTIVE = 128 * 1024;

/** Milliseconds after a small message in which the next small message is expected. */
const EXPECTED = 1000;

/** Connections of the queue that go on in one turn. With more, each reads less, and each read costs as much as a longer read. */
const MOST_GRANTS = 2;

/** A connection that waits for a turn. */
export interface TurnTaker {
  /** Reads up to {@link Turns.quantum} bytes in this turn. */
  takeTurn(): void;
}

/**
 * Shares the turns of the event loop among busy connections, in the manner of deficit round robin: a connection that has read its
 * share waits in a queue, and the first connections of the queue go on in the next turn. A round trip takes two to three turns,
 * so that its time depends on the length of a turn, and not on the number of busy connections.
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

  /** Does a connection wait for a turn? */
  get isBusy(): boolean {
    return this.#queue.length > 0;
  }

  /** Bytes that a connection which did not wait may still read, after `share` bytes in this turn. */
  left(share: number): number {
    return this.#most - Math.max(this.#bytes, share);
  }

  /** Counts bytes that a connection has read in this turn. */
  count(bytes: number): void {
    this.#bytes += bytes;
    this.#schedule();
  }

  /** Somebody types. */
  noteSmall(now: number): void {
    this.#smallAt = now;
  }

  /** Queues a connection for the first turn in which no other connection is before it. */
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
    if (queued > 0 && performance.now() - this.#smallAt < EXPECTED) return INTERACTIVE;
    return queued > MOST_GRANTS ? CROWDED : ALONE;
  }
}

/** The turns of this thread's event loop. */
export const turns = new Turns();

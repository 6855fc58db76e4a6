/** A file, or a stream in front of one. */
export interface QueueTarget {
  write(bytes: Buffer, at: number, length: number): Promise<{ readonly bytesWritten: number }>;
  writev(parts: Buffer[]): Promise<{ readonly bytesWritten: number }>;
}

/** Bytes of a small block, for data such as one keystroke, and of a large block. */
const SMALL = 4096;
const LARGE = 64 * 1024;

/**
 * Blocks of one write: 4 MiB. A busy process begins only one write of a recording in each event-loop turn, and may read 2 MiB in that turn:
 * with smaller writes the queue would fill up even on a fast disk.
 */
const MOST_AT_ONCE = 64;

/** Milliseconds in which small records are gathered: a write for each keystroke would cost as much as the relay of the keystroke. */
const GATHERING = 50;

/** Unused large blocks, as many as one recording may queue: the first use of new memory costs more than the copy. */
const pool: Buffer[] = [];
const MOST_POOLED = 512;

/** Blocks that stay in the pool after a burst, and milliseconds after which the others are freed. */
const MOST_KEPT = 64;
const KEPT_FOR = 10_000;
let trimming: NodeJS.Timeout | undefined;

function giveBack(memory: Buffer): void {
  if (memory.length !== LARGE || pool.length === MOST_POOLED) return;
  pool.push(memory);
  if (pool.length <= MOST_KEPT) return;
  trimming ??= setTimeout(() => {
    pool.length = Math.min(pool.length, MOST_KEPT);
    trimming = undefined;
  }, KEPT_FOR).unref();
}

interface Block {
  readonly memory: Buffer;
  used: number;
}

/** The memory of all recordings of one recorder. */
export interface QueueBudget {
  /** Queued bytes. */
  used: number;
}

/**
 * Writes copies of bytes to a file in order, one write at a time. The caller compares {@link queued} with a limit before adding bytes: the
 * queue itself never refuses bytes. After a failure, all bytes are dropped.
 */
export class DiskQueue {
  /** Bytes that are not written yet. */
  queued = 0;
  /** A write has failed: the file ends before the added bytes. */
  isFailed = false;
  readonly #budget: QueueBudget;
  readonly #onFailure: (error: unknown) => void;
  #file: QueueTarget | undefined;
  #blocks: Block[] = [];
  #isWriting = false;
  #timer: NodeJS.Timeout | undefined;
  #onIdle: (() => void) | undefined;

  constructor(budget: QueueBudget, onFailure: (error: unknown) => void) {
    this.#budget = budget;
    this.#onFailure = onFailure;
  }

  /** Copies the bytes. Call `flush` or `flushSoon` afterwards. `expected`: the sum of bytes before that call, for the choice of a block. */
  add(bytes: Uint8Array, expected = bytes.length): void {
    if (this.isFailed) return;
    let at = 0;
    while (at < bytes.length) {
      const rest = bytes.length - at;
      let block = this.#blocks.at(-1);
      if (!block || block.used === block.memory.length) {
        block = { memory: memoryFor(Math.max(rest, expected)), used: 0 };
        this.#blocks.push(block);
      }
      const size = Math.min(rest, block.memory.length - block.used);
      block.memory.set(bytes.subarray(at, at + size), block.used);
      block.used += size;
      at += size;
    }
    this.#count(bytes.length);
  }

  /** The file is open: writing begins. */
  start(file: QueueTarget): void {
    this.#file = file;
    this.flush();
  }

  /** Begins to write at once if many bytes are queued, otherwise within 50 ms. */
  flushSoon(): void {
    if (this.queued >= LARGE) this.flush();
    else if (!this.#isWriting && !this.isFailed) this.#timer ??= setTimeout(() => this.flush(), GATHERING);
  }

  /** Begins to write, unless a write is in progress already. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isWriting || !this.#file || this.isFailed || this.#blocks.length === 0) return;
    this.#isWriting = true;
    void this.#write(this.#file);
  }

  /** Resolves when the queue is empty or has failed. */
  untilIdle(): Promise<void> {
    if (this.queued === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.flush();
    });
  }

  /** Drops all bytes. */
  fail(error: unknown): void {
    if (this.isFailed) return;
    this.isFailed = true;
    clearTimeout(this.#timer);
    this.#blocks = [];
    this.#count(-this.queued);
    this.#onFailure(error);
    this.#idle();
  }

  async #write(file: QueueTarget): Promise<void> {
    try {
      do {
        const blocks = this.#blocks.splice(0, MOST_AT_ONCE);
        const written = await writeAll(
          file,
          blocks.map(({ memory, used }) => memory.subarray(0, used)),
        );
        for (const { memory } of blocks) giveBack(memory);
        if (!this.isFailed) this.#count(-written);
      } while (this.queued >= LARGE || (this.queued > 0 && this.#onIdle));
      this.#isWriting = false;
      if (this.queued > 0) this.flushSoon();
      else this.#idle();
    } catch (error) {
      this.#isWriting = false;
      this.fail(error);
    }
  }

  #count(bytes: number): void {
    this.queued += bytes;
    this.#budget.used += bytes;
  }

  #idle(): void {
    this.#onIdle?.();
    this.#onIdle = undefined;
  }
}

function memoryFor(bytes: number): Buffer {
  if (bytes <= SMALL) return Buffer.allocUnsafeSlow(SMALL);
  return pool.pop() ?? Buffer.allocUnsafeSlow(LARGE);
}

/** Resolves to the number of bytes. A disk that becomes full first accepts a part of the bytes, and fails the next write. */
export async function writeAll(file: QueueTarget, parts: Buffer[]): Promise<number> {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  let at = (await file.writev(parts)).bytesWritten;
  if (at === size) return size;
  const bytes = Buffer.concat(parts);
  while (at < size) {
    const { bytesWritten } = await file.write(bytes, at, size - at);
    // Without this check, the loop would never end on a file system that accepts no byte.
    if (bytesWritten === 0) throw new Error('the disk accepts no more bytes');
    at += bytesWritten;
  }
  return size;
}

/** A file, or a stream in front of one. */
export interface QueueTarget {
  write(bytes: Buffer, at: number, length: number): Promise<{ readonly bytesWritten: number }>;
  writev(parts: Buffer[]): Promise<{ readonly bytesWritten: number }>;
}

/** Bytes of a block for a few bytes, such as one keystroke. */
const SMALL = 4096;
const LARGE = 64 * 1024;

/** Blocks of one write: a write per block would cost as much as the copy. */
const MOST_AT_ONCE = 16;

/** Unused large blocks: new memory for each chunk would cost more than the copy. */
const pool: Buffer[] = [];
const MOST_POOLED = 64;

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
  #onIdle: (() => void) | undefined;

  constructor(budget: QueueBudget, onFailure: (error: unknown) => void) {
    this.#budget = budget;
    this.#onFailure = onFailure;
  }

  /** Copies the bytes. Call `flush` afterwards. `expected`: bytes that follow before the call of `flush`, these included. */
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

  /** Begins to write, unless a write is in progress already. */
  flush(): void {
    if (this.#isWriting || !this.#file || this.isFailed || this.#blocks.length === 0) return;
    this.#isWriting = true;
    void this.#write(this.#file);
  }

  /** Resolves when nothing is queued any more, and at a failure. */
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
    this.#blocks = [];
    this.#count(-this.queued);
    this.#onFailure(error);
    this.#idle();
  }

  async #write(file: QueueTarget): Promise<void> {
    try {
      while (this.#blocks.length > 0) {
        const blocks = this.#blocks.splice(0, MOST_AT_ONCE);
        const written = await writeAll(
          file,
          blocks.map(({ memory, used }) => memory.subarray(0, used)),
        );
        for (const { memory } of blocks)
          if (memory.length === LARGE && pool.length < MOST_POOLED) pool.push(memory);
        if (!this.isFailed) this.#count(-written);
      }
      this.#isWriting = false;
      this.#idle();
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

/** Returns the number of bytes. A disk that becomes full accepts a part of the bytes first, and fails at the next write. */
export async function writeAll(file: QueueTarget, parts: Buffer[]): Promise<number> {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  let at = (await file.writev(parts)).bytesWritten;
  if (at === size) return size;
  const bytes = Buffer.concat(parts);
  while (at < size) {
    const { bytesWritten } = await file.write(bytes, at, size - at);
    // Without this check, a file system that accepts nothing would keep the loop running for ever.
    if (bytesWritten === 0) throw new Error('the disk accepts no more bytes');
    at += bytesWritten;
  }
  return size;
}

import type { OnReadOpts } from 'node:net';
import type { Duplex } from 'node:stream';

/** Free bytes in front of what was read: the longest header of a frame without a mask (RFC 6455 section 5.2). */
const FRONT = 10;

/** All that an idle connection holds. No round number: what fills it exactly is nearly always the begin of more. */
const SMALL = 4000;

/** More at once costs fewer turns and wake-ups for each byte. Measured: above this nothing is left to gain. */
const LARGE = 512 * 1024;

/** No limit makes reads smaller than this. */
const LEAST = 64 * 1024;

/** Large memories that nobody holds: as many as a busy process has under way at once. */
const pool: Buffer[] = [];
const MOST_POOLED = 8;

function takeLarge(size: number): Buffer {
  return (size === LARGE ? pool.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
}

function giveBack(large: Buffer): void {
  if (large.length === LARGE && pool.length < MOST_POOLED) pool.push(large);
}

function allocateSmall(): Buffer {
  return Buffer.allocUnsafeSlow(FRONT + SMALL);
}

const readsOf = new WeakMap<Duplex, PooledReads>();

/**
 * Reads of a plain socket into memory that is used again: a small one of its own as long as little comes, a large one
 * of the pool as soon as that is full. What one wake-up finds is handed on as one piece.
 *
 * A large memory is one connection's alone, from before it is read into until all of it is written: shared by two, bytes
 * of one would reach the other.
 */
export class PooledReads {
  /** For `net.connect`. */
  readonly onread: OnReadOpts = {
    // Asked for behind each read.
    buffer: () => this.#memory.subarray(this.#end),
    callback: (length) => this.#onRead(length),
  };

  #small = allocateSmall();
  #memory = this.#small;
  // What was read and not handed on.
  #begin = FRONT;
  #end = FRONT;
  /** The small memory was full, and what follows it may still come in this wake-up. */
  #isWaiting = false;
  #lent: Buffer | undefined;
  #isKept = false;
  #largeSize = LARGE;
  #receive: ((bytes: Buffer) => void) | undefined;

  /** Those of a socket that was made with `onread`. */
  static of(stream: Duplex): PooledReads | undefined {
    return readsOf.get(stream);
  }

  belongTo(stream: Duplex): void {
    readsOf.set(stream, this);
  }

  /** At most `most` bytes at once. `receive` may use them until it returns, and longer if it says `keep`. */
  start(receive: (bytes: Buffer) => void, most: number): void {
    this.#receive = receive;
    this.#largeSize = Math.min(LARGE, Math.max(LEAST, most));
  }

  /** Do these bytes lie in what is just being handed on? */
  lends(bytes: Buffer): boolean {
    return bytes.buffer === this.#lent?.buffer;
  }

  /** Would `keep` hold much more memory than these bytes need? */
  wastes(bytes: Buffer): boolean {
    return bytes.length < this.#largeSize / 4;
  }

  /** The bytes with `length` more in front of them, at most `FRONT`, which are free to be written. */
  extend(bytes: Buffer, length: number): Buffer {
    return Buffer.from(bytes.buffer, bytes.byteOffset - length, length + bytes.length);
  }

  /** Somebody still holds what is being handed on: the next read takes other memory. To be called when it is free. */
  keep(): () => void {
    const memory = this.#lent;
    this.#isKept = true;
    return () => {
      if (memory) giveBack(memory);
    };
  }

  /** Hands on what waits for more. */
  readonly flush = (): void => {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    // The next read goes behind them into the large memory: these are handed on from where they were first.
    this.#handOn(this.#small, FRONT, FRONT + SMALL);
    this.#begin = this.#end;
  };

  /** The socket is closed. */
  end(): void {
    this.flush();
    // What is just being handed on may be held: it is given back behind that, and once.
    if (this.#memory !== this.#lent) giveBack(this.#memory);
    this.#memory = this.#small;
    this.#begin = this.#end = FRONT;
  }

  #onRead(length: number): true {
    this.#end += length;
    const memory = this.#memory;
    const isFull = this.#end === memory.length;
    if (memory === this.#small && isFull) {
      this.#grow();
      return true;
    }
    this.#isWaiting = false;
    const kept = this.#handOn(memory, this.#begin, this.#end);
    // As long as it is filled, more waits.
    if (isFull) this.#memory = kept ? takeLarge(this.#largeSize) : memory;
    else {
      if (!kept) giveBack(memory);
      this.#memory = this.#small;
    }
    this.#begin = this.#end = FRONT;
    return true;
  }

  #grow(): void {
    const large = takeLarge(this.#largeSize);
    this.#small.copy(large, FRONT, FRONT);
    this.#memory = large;
    this.#isWaiting = true;
    // Where nothing follows, no read tells.
    setImmediate(this.flush);
  }

  /** Is it held behind this? */
  #handOn(memory: Buffer, begin: number, end: number): boolean {
    this.#lent = memory;
    this.#receive?.(memory.subarray(begin, end));
    this.#lent = undefined;
    const kept = this.#wasKept();
    if (kept && memory === this.#small) this.#small = allocateSmall();
    return kept;
  }

  #wasKept(): boolean {
    const kept = this.#isKept;
    this.#isKept = false;
    return kept;
  }
}

import type { OnReadOpts } from 'node:net';
import type { Duplex } from 'node:stream';

/** Free bytes in front of the bytes that were read: the longest header of a frame without a mask (RFC 6455 section 5.2). */
const FRONT = 10;

/** Bytes that an idle connection has. No round number: bytes that fill it exactly are nearly always the beginning of more. */
const SMALL = 4000;

/** Larger reads cost fewer turns and wake-ups for each byte. Measured: above this nothing is left to gain. In bytes. */
const LARGE = 512 * 1024;

/** No limit makes large reads smaller than this, in bytes. */
const LEAST = 64 * 1024;

/** Large buffers that nobody uses: as many as a busy process needs at once. */
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
 * Reads of a plain socket into buffers that are used again: the connection's small one as long as little comes, a large one
 * of the pool as soon as the small one is full. The bytes of one wake-up are handed on as one piece.
 *
 * A large buffer belongs to one connection, from before the read until all of its bytes are written: shared by two, bytes
 * of one would reach the other.
 */
export class PooledReads {
  /** For `net.connect`. */
  readonly onread: OnReadOpts = {
    // Node asks for it after each read.
    buffer: () => this.#memory.subarray(this.#end),
    callback: (length) => this.#onRead(length),
  };

  #small = allocateSmall();
  #memory = this.#small;
  // The bytes that were read and not handed on.
  #begin = FRONT;
  #end = FRONT;
  /** The small buffer was full, and more bytes may still come in this wake-up. */
  #isWaiting = false;
  /** The buffer whose bytes are just being handed on. */
  #lent: Buffer | undefined;
  /** `keep` was called for it. */
  #isKept = false;
  #largeSize = LARGE;
  #receive: ((bytes: Buffer) => void) | undefined;

  /** The reads of a socket that was made with `onread`. */
  static of(stream: Duplex): PooledReads | undefined {
    return readsOf.get(stream);
  }

  belongTo(stream: Duplex): void {
    readsOf.set(stream, this);
  }

  /** Reads at most `most` bytes at once. `receive` may use them until it returns, and longer if it calls `keep`. */
  start(receive: (bytes: Buffer) => void, most: number): void {
    this.#receive = receive;
    this.#largeSize = Math.min(LARGE, Math.max(LEAST, most));
  }

  /** Are these bytes part of the buffer that is just being handed on? */
  lends(bytes: Buffer): boolean {
    return bytes.buffer === this.#lent?.buffer;
  }

  /** Would `keep` cost much more memory than these bytes need? */
  wastes(bytes: Buffer): boolean {
    return bytes.length < this.#largeSize / 4;
  }

  /** The bytes with `length` free bytes in front of them, at most `FRONT`. */
  extend(bytes: Buffer, length: number): Buffer {
    return Buffer.from(bytes.buffer, bytes.byteOffset - length, length + bytes.length);
  }

  /** The bytes being handed on are still in use: the next read takes another buffer. Returns what to call when they are free. */
  keep(): () => void {
    const memory = this.#lent;
    this.#isKept = true;
    return () => {
      if (memory) giveBack(memory);
    };
  }

  /** Hands on the bytes that wait for more. */
  readonly flush = (): void => {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    // The next read continues after them in the large buffer: these bytes are handed on from the small one.
    this.#handOn(this.#small, FRONT, FRONT + SMALL);
    this.#begin = this.#end;
  };

  /** The socket is closed. */
  end(): void {
    this.flush();
    // A buffer that is just being handed on may be in use: it is given back after that, once.
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
    // A read that fills the buffer leaves more in the kernel.
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
    // Where nothing follows, no read comes.
    setImmediate(this.flush);
  }

  /** True: the buffer is still in use. */
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

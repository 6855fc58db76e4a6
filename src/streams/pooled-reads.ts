import type { OnReadOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ReadPauses } from './read-pauses.js';

/** Free bytes in front of the received bytes: the longest header of an unmasked frame (RFC 6455 section 5.2). */
const FRONT = 10;

/** Bytes of buffer per idle connection. Not a power of two: bytes that fill the buffer exactly are nearly always the start of more. */
const SMALL = 4000;

/**
 * Bytes of a large read. Larger reads cost fewer turns and wake-ups per byte; by measurement, reads above this size gain nothing.
 */
const LARGE = 512 * 1024;

/** Bytes. No limit makes large reads smaller than this. */
const LEAST = 64 * 1024;

/** Unused large buffers: as many as a busy process needs at once. */
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
 * Reads of a plain socket into reused buffers: the connection's small buffer while few bytes arrive, a large buffer of the pool
 * as soon as the small buffer is full. The bytes of one wake-up are passed on as one piece.
 *
 * A large buffer belongs to one connection, from before the read until all of the bytes are written: if two connections shared a
 * buffer, bytes of one would reach the other.
 */
export class PooledReads {
  /** For `net.connect`. */
  readonly onread: OnReadOpts = {
    // Node calls this function after each read: the size of a read is decided before its event-loop turn.
    buffer: () => this.#memory.subarray(this.#end, this.#limit),
    callback: (length) => this.#onRead(length),
  };

  #small = allocateSmall();
  #memory = this.#small;
  // The range of received bytes that were not passed on yet.
  #begin = FRONT;
  #end = FRONT;
  /** The small buffer was full, and more bytes may still arrive in this wake-up. */
  #isWaiting = false;
  /** The end of the next read in `#memory`. */
  #limit = FRONT + SMALL;
  /** The buffer whose bytes are being passed on now. */
  #lent: Buffer | undefined;
  /** Was `keep` called for the lent buffer? */
  #isKept = false;
  #largeSize = LARGE;
  #pauses: Pick<ReadPauses, 'left'> | undefined;
  #receive: ((bytes: Buffer) => void) | undefined;

  /** The reads of a socket created with `onread`. */
  static of(stream: Duplex): PooledReads | undefined {
    return readsOf.get(stream);
  }

  belongTo(stream: Duplex): void {
    readsOf.set(stream, this);
  }

  /**
   * Reads at most `most` bytes at once, and small pieces as soon as `pauses` grant no more bytes in a turn. `receive` may use the
   * bytes until it returns, and longer after a call of `keep`.
   */
  start(receive: (bytes: Buffer) => void, most: number, pauses?: Pick<ReadPauses, 'left'>): void {
    this.#pauses = pauses;
    this.#receive = receive;
    this.#largeSize = Math.min(LARGE, Math.max(LEAST, most));
  }

  /** Are these bytes part of the buffer that is being passed on now? */
  lends(bytes: Buffer): boolean {
    return bytes.buffer === this.#lent?.buffer;
  }

  /** Would `keep` cost much more memory than these bytes need? */
  wastes(bytes: Buffer): boolean {
    return bytes.length < this.#largeSize / 4;
  }

  /** The bytes with `length` free bytes in front; `length` is at most `FRONT`. */
  extend(bytes: Buffer, length: number): Buffer {
    return Buffer.from(bytes.buffer, bytes.byteOffset - length, length + bytes.length);
  }

  /** Keeps the bytes that are being passed on: the next read uses another buffer. Call the returned function to free the bytes. */
  keep(): () => void {
    const memory = this.#lent;
    this.#isKept = true;
    return () => {
      if (memory) giveBack(memory);
    };
  }

  /** Passes on the bytes of a full small buffer without waiting for more bytes. */
  readonly flush = (): void => {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    // The next read continues in the large buffer, after a copy of these bytes: pass them on from the small buffer.
    this.#handOn(this.#small, FRONT, FRONT + SMALL);
    this.#begin = this.#end;
  };

  /** The socket is closed. */
  end(): void {
    this.flush();
    // A buffer that is being passed on may be in use: `#onRead` or the caller of `keep` gives such a buffer back, once.
    if (this.#memory !== this.#lent) giveBack(this.#memory);
    // Node keeps a closed socket, and so these reads, until the next full garbage collection: without the tunnel.
    this.#receive = undefined;
    this.#memory = this.#small;
    this.#begin = this.#end = FRONT;
    this.#limit = FRONT + SMALL;
  }

  #onRead(length: number): true {
    this.#end += length;
    const memory = this.#memory;
    const isFull = this.#end === this.#limit;
    if (memory === this.#small && isFull && this.#left > 0) {
      this.#grow();
      return true;
    }
    this.#isWaiting = false;
    const kept = this.#handOn(memory, this.#begin, this.#end);
    // After a read that fills the buffer, more bytes are in the kernel. A connection that waits for a turn needs no large buffer.
    if (isFull && memory !== this.#small && this.#left > 0)
      this.#memory = kept ? takeLarge(this.#largeSize) : memory;
    else {
      if (!kept) giveBack(memory);
      this.#memory = this.#small;
    }
    this.#begin = this.#end = FRONT;
    this.#limit = this.#memory === this.#small ? FRONT + SMALL : this.#limitOf(this.#memory);
    return true;
  }

  /** Bytes that may be read in this turn. */
  get #left(): number {
    return this.#pauses?.left ?? Infinity;
  }

  #limitOf(large: Buffer): number {
    return Math.min(large.length, FRONT + Math.max(LEAST, this.#left));
  }

  #grow(): void {
    const large = takeLarge(this.#largeSize);
    this.#small.copy(large, FRONT, FRONT);
    this.#memory = large;
    this.#limit = this.#limitOf(large);
    this.#isWaiting = true;
    // If no bytes follow, no read follows either.
    setImmediate(this.flush);
  }

  /** Returns true if the buffer is still in use. */
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

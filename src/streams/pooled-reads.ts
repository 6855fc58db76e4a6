import type { OnReadOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ReadPauses } from './read-pauses.js';

/** Free bytes in front of the received bytes: the longest header of an unmasked frame (RFC 6455 section 5.2). */
const FRONT = 10;

/** Bytes of the small buffer. Not a power of two: few messages have this size, so that a full buffer nearly always means more bytes. */
const SMALL = 4000;

/**
 * The small buffer of all connections: an idle connection needs no memory for reads. libuv asks for the buffer directly before
 * each read, and calls back directly after the read, so that two connections never use the buffer at the same time. The bytes
 * are valid only during that call, and must be copied before the call returns: Node already has this buffer for the next read of
 * every other connection.
 */
const SHARED = Buffer.allocUnsafeSlow(FRONT + SMALL);

/** Node keeps the buffer of each connection's next read: all connections share one view. */
const FREE_OF_SHARED = SHARED.subarray(FRONT);

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

const READS = Symbol('express-wstunnel.reads');

/** A socket with its reads. */
type PooledSocket = Duplex & { [READS]?: PooledReads };

/**
 * Reads of a plain socket into reused buffers: the shared small buffer while few bytes arrive, a large buffer of the pool as soon
 * as the small buffer is full. The bytes of one wake-up are passed on as one piece.
 *
 * A large buffer belongs to one connection, from before the read until all of the bytes are written: if two connections shared a
 * large buffer, bytes of one would reach the other. Bytes in the shared small buffer are copied instead, see {@link isShared}.
 */
export class PooledReads {
  #memory: Buffer = SHARED;
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
    return (stream as PooledSocket)[READS];
  }

  /** For `net.connect`. */
  get onread(): OnReadOpts {
    return {
      // Node calls this function after each read: the size of a read is decided before its event-loop turn.
      buffer: () =>
        this.#memory === SHARED ? FREE_OF_SHARED : this.#memory.subarray(this.#end, this.#limit),
      callback: (length) => this.#onRead(length),
    };
  }

  belongTo(stream: Duplex): void {
    (stream as PooledSocket)[READS] = this;
  }

  /**
   * Reads at most `most` bytes at once, and into the small buffer as soon as `pauses` allow no more bytes in a turn. `receive` may
   * use the bytes until `receive` returns, and longer after a call of `keep`, which is not possible while {@link isShared}.
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

  /** Are bytes of the shared buffer being passed on? Then the bytes must be copied, even for a write. */
  get isShared(): boolean {
    return this.#lent === SHARED;
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
    if (memory === SHARED) throw new Error('bytes of the shared buffer must be copied');
    this.#isKept = true;
    return () => {
      if (memory) giveBack(memory);
    };
  }

  /** Passes on the bytes of a full small buffer without waiting for more bytes. */
  flush(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    const bytes = this.#memory.subarray(this.#begin, this.#end);
    this.#begin = this.#end;
    // A copy, since the next read continues in the large buffer, after these bytes.
    this.#receive?.(Buffer.from(bytes));
  }

  /** The socket is closed. */
  end(): void {
    this.flush();
    // A buffer that is being passed on may be in use: `#onRead` or the caller of `keep` gives such a buffer back, once.
    if (this.#memory !== this.#lent) giveBack(this.#memory);
    // Node keeps a closed socket, and so this object, until the next full garbage collection. The tunnel must not stay in memory too.
    this.#receive = undefined;
    this.#pauses = undefined;
    this.#memory = SHARED;
    this.#begin = this.#end = FRONT;
    this.#limit = FRONT + SMALL;
  }

  #onRead(length: number): true {
    this.#end += length;
    const memory = this.#memory;
    const isFull = this.#end === this.#limit;
    if (memory === SHARED && isFull && this.#left > 0) {
      this.#grow();
      return true;
    }
    this.#isWaiting = false;
    const kept = this.#handOn(memory, this.#begin, this.#end);
    // After a read that fills the buffer, more bytes are in the kernel. A connection that is queued for a turn needs no large buffer.
    if (isFull && memory !== SHARED && this.#left > 0)
      this.#memory = kept ? takeLarge(this.#largeSize) : memory;
    else {
      if (!kept) giveBack(memory);
      this.#memory = SHARED;
    }
    this.#begin = this.#end = FRONT;
    this.#limit = this.#memory === SHARED ? FRONT + SMALL : this.#limitOf(this.#memory);
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
    SHARED.copy(large, FRONT, FRONT);
    this.#memory = large;
    this.#limit = this.#limitOf(large);
    this.#isWaiting = true;
    // If no bytes follow, no read follows either.
    setImmediate(() => this.flush());
  }

  /** Returns true if the buffer is still in use. */
  #handOn(memory: Buffer, begin: number, end: number): boolean {
    this.#lent = memory;
    this.#receive?.(memory.subarray(begin, end));
    this.#lent = undefined;
    const kept = this.#isKept;
    this.#isKept = false;
    return kept;
  }
}

import type { Duplex } from 'node:stream';
import type { PooledReads } from '../streams/pooled-reads.js';
import { PAUSE, ReadPauses } from '../streams/read-pauses.js';
import { isNodeSocket, isPlain, release, releaseAfter, WORTHWHILE } from '../streams/release.js';
import { WriteProgress } from '../streams/write-progress.js';
import { WriteQueue, type QueueOwner } from '../streams/write-queue.js';
import { FrameFollower, type FollowerOwner, type Sender } from './frame-follower.js';
import { PayloadTap } from './payload-tap.js';

/** Bytes that Node reads at once, and bytes of a full TLS record: in both cases more bytes follow in the same event-loop turn. */
const FULL_READS: readonly number[] = [65_536, 16_384];

const NOTHING = Buffer.alloc(0);

/** With more removed frames than this, a chunk is enough work for an event-loop turn. */
const MANY_REMOVED = 500;

export interface WayOwner extends FollowerOwner {
  /** The sink is full: the owner pauses the source. */
  full(way: FrameWay): void;
  /** The sink accepts bytes again: the owner resumes the source. */
  drained(way: FrameWay): void;
  /** Called at the end of the current frame, after {@link FrameWay.awaitBoundary}. */
  boundary(way: FrameWay): void;
}

/** One direction of a {@link FramePassage}: frames from a source to a sink, with backpressure. */
export class FrameWay implements QueueOwner {
  /**
   * open: frames pass. ending: only the rest of the current frame passes, and a Close follows. over: no byte passes any more, because
   * a Close was passed, because the tunnel sent its own Close, or because the direction was cut off.
   */
  output: 'open' | 'ending' | 'over' = 'open';
  /** Bytes of payload that were passed on. */
  payload = 0;
  readonly follower: FrameFollower;
  readonly queue: WriteQueue;
  readonly progress: WriteProgress;
  /** The pauses of the source. */
  readonly pauses: ReadPauses;
  readonly sink: Duplex;
  readonly #source: Duplex;
  readonly #owner: WayOwner;
  readonly #ownsChunks: boolean;
  readonly #gathers: boolean;
  readonly #isSinkPlain: boolean;
  readonly #tap: PayloadTap | undefined;
  #isBoundaryAwaited = false;
  /** Do the bytes of the last chunk pass? */
  #isPassing = false;

  constructor(
    from: Sender,
    source: Duplex,
    sink: Duplex,
    { buffered, hasExtensions, tap }: WaySettings,
    owner: WayOwner,
  ) {
    this.follower = new FrameFollower(from, hasExtensions, owner);
    this.queue = new WriteQueue(sink, buffered, this);
    this.progress = new WriteProgress(sink);
    this.pauses = new ReadPauses(source);
    this.sink = sink;
    this.#source = source;
    this.#owner = owner;
    this.#ownsChunks = isNodeSocket(source) && isNodeSocket(sink);
    this.#gathers = from === 'client';
    this.#isSinkPlain = isPlain(sink);
    this.#tap = tap && new PayloadTap(from, tap);
  }

  /** Do the passed bytes end at a frame boundary? */
  get isAtBoundary(): boolean {
    return this.follower.missing === 0;
  }

  /** Follows a chunk of the source, and passes the frames on. `reads`: the reads whose memory may contain the chunk. */
  pass(chunk: Buffer, reads?: PooledReads): void {
    // The tap comes first: if the tap ends the tunnel, follower and sink must be at the same byte.
    if (this.#tap) this.#showTo(this.#tap, chunk);
    let rest = chunk;
    if (this.#isBoundaryAwaited && this.follower.missing <= chunk.length) {
      const { missing } = this.follower;
      const end = this.#follow(chunk.subarray(0, missing));
      // The rest of a frame has no front. The memory of a read can be kept by one write only.
      if (end.length > 0) this.#write(reads ? Buffer.from(end) : end, undefined, undefined);
      this.#isBoundaryAwaited = false;
      this.#owner.boundary(this);
      rest = chunk.subarray(missing);
    }
    const { length } = chunk;
    const mayRelease = this.#mayRelease(chunk, reads);
    const bytes = this.#follow(rest);
    const { front } = this.follower;
    if (front.length > 0 && this.#isPassing) this.queue.write(front, undefined, bytes.length > 0);
    if (bytes.length > 0) this.#write(bytes, mayRelease ? chunk : undefined, reads);
    if (mayRelease && bytes.buffer !== chunk.buffer) release(chunk);
    this.pauses.spend(length, this.follower.removed > MANY_REMOVED);
    if (!this.queue.isFull) return;
    this.queue.awaitDrain();
    this.#owner.full(this);
  }

  /** Calls `boundary` of the owner at the end of the current frame, between the bytes before and after. */
  awaitBoundary(): void {
    this.#isBoundaryAwaited = true;
  }

  /** Writes a whole frame that the tunnel itself has made. Call this only at a frame boundary. */
  put(frame: Buffer): void {
    if (this.sink.writable) this.queue.write(frame);
  }

  drained(): void {
    this.#owner.drained(this);
  }

  pause(): void {
    this.pauses.add(PAUSE.receiver);
  }

  resume(): void {
    this.pauses.remove(PAUSE.receiver);
  }

  /** The tap sees the bytes that will pass. */
  #showTo(tap: PayloadTap, chunk: Buffer): void {
    if (this.output === 'over' || this.follower.isDone || !this.sink.writable) return;
    tap.read(this.output === 'ending' ? chunk.subarray(0, this.follower.missing) : chunk);
  }

  #follow(chunk: Buffer): Buffer {
    const { follower } = this;
    const before = follower.payload;
    const wasOver = this.output === 'over';
    const bytes = follower.follow(chunk);
    this.#isPassing = !wasOver && this.sink.writable && !this.sink.errored;
    if (!this.#isPassing) return NOTHING;
    this.payload += follower.payload - before;
    return bytes;
  }

  /** A small chunk is not worth a callback for each write. */
  #mayRelease(chunk: Buffer, reads: PooledReads | undefined): boolean {
    if (!this.#ownsChunks || reads || chunk.length < WORTHWHILE) return false;
    // Another listener may keep the chunk.
    return this.#source.listenerCount('data') === 1;
  }

  /** `chunk`: may be released after the write. */
  #write(bytes: Buffer, chunk: Buffer | undefined, reads: PooledReads | undefined): void {
    if (reads?.lends(bytes)) this.#writeLent(bytes, reads);
    else {
      const written = chunk?.buffer === bytes.buffer ? releaseAfter(chunk) : undefined;
      this.queue.write(bytes, written, this.#gathers && FULL_READS.includes(chunk?.length ?? 0));
    }
  }

  /** Writes from the memory of the source's reads. */
  #writeLent(bytes: Buffer, reads: PooledReads): void {
    if (reads.isShared || !this.#ownsChunks || (this.#mayKeep() && reads.wastes(bytes))) {
      this.queue.write(Buffer.from(bytes));
      return;
    }
    let free: (() => void) | undefined;
    this.queue.write(bytes, (error) => {
      if (!error) free?.();
    });
    if (this.#mayKeep()) free = reads.keep();
  }

  /** May the sink still use the written bytes? */
  #mayKeep(): boolean {
    return !this.#isSinkPlain || this.sink.writableLength > 0;
  }
}

export interface WaySettings {
  /** Bytes of memory queued for the sink above which the source is not read. */
  readonly buffered: number;
  readonly hasExtensions: boolean;
  /** Gets the payload before the payload passes; only without extensions. */
  readonly tap: ((payload: Buffer) => unknown) | undefined;
}

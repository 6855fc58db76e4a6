import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { bytesPassedToLibuv, libuvQueueOf } from '../internals/node-net.js';

/** A stream of another kind that counts what goes out. */
type Counted = Duplex & { readonly bytesTaken?: number };

// Of those that count nothing, what was written to each and has been taken.
const takenOf = new WeakMap<Duplex, number>();

/** The stream has taken a write as a whole. */
export function noteTaken(stream: Duplex, size: number): void {
  takenOf.set(stream, (takenOf.get(stream) ?? 0) + size);
}

/**
 * A mark that changes whenever the kernel takes bytes of what waits in `stream`. Node counts a write only when all of it
 * is taken, which may be a megabyte and, on a slow line, minutes: libuv's own queue moves earlier.
 */
export function takenMark(stream: Duplex): number {
  // What waits is no mark where it is noted: one is taken, the next follows, and as much waits as before.
  if (!(stream instanceof Socket))
    return (stream as Counted).bytesTaken ?? takenOf.get(stream) ?? -stream.writableLength;
  return stream.bytesWritten - stream.writableLength - libuvQueueOf(stream);
}

/** Bytes written to the stream that the kernel has not accepted. 0 once the stream is destroyed: nobody knows any more. */
export function queuedIn(stream: Duplex): number {
  if (stream.destroyed) return 0;
  if (!(stream instanceof Socket)) return stream.writableLength;
  const dispatched = bytesPassedToLibuv(stream);
  if (dispatched === undefined) return stream.writableLength;
  // Node's queue, and what libuv holds of the write that Node has passed on.
  return Math.min(stream.writableLength, stream.bytesWritten - dispatched + libuvQueueOf(stream));
}

/** Tells whether what waits in a stream moves. */
export class Movement {
  readonly #stream: Duplex;
  #waited = false;
  #mark = 0;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /** Since the last look: of what waits, or waited then, some was taken. */
  look(): boolean {
    const waits = this.#stream.writableLength > 0;
    const mark = takenMark(this.#stream);
    const moves = mark !== this.#mark && (waits || this.#waited);
    this.#waited = waits;
    this.#mark = mark;
    return moves;
  }
}

/** Tells for how long a stream has accepted none of its queued bytes. */
export class Stall {
  readonly #stream: Duplex;
  #mark = 0;
  #since: number | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /** The first look that saw the stall; undefined where nothing is queued. */
  since(now: number): number | undefined {
    const mark = takenMark(this.#stream);
    if (this.#stream.writableLength === 0) this.#since = undefined;
    else if (mark !== this.#mark) this.#since = now;
    else this.#since ??= now;
    this.#mark = mark;
    return this.#since;
  }
}

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { bytesPassedToLibuv, libuvQueueOf } from '../internals/node-net.js';

/** A stream that counts the bytes that left it. */
export type Counted = Duplex & { readonly bytesAccepted?: number };

/**
 * A mark that changes whenever the kernel, or the receiver of another stream, accepts bytes queued in `stream`. Node counts a
 * write only when the kernel has accepted all of it, which may be a megabyte and, on a slow line, minutes: libuv's own
 * queue moves earlier.
 */
export function acceptedMark(stream: Duplex): number {
  if (!(stream instanceof Socket)) return (stream as Counted).bytesAccepted ?? -stream.writableLength;
  return stream.bytesWritten - stream.writableLength - libuvQueueOf(stream);
}

/** Bytes written to the stream that the kernel has not accepted. 0 once the stream is destroyed: the number is lost with it. */
export function queuedIn(stream: Duplex): number {
  if (stream.destroyed) return 0;
  if (!(stream instanceof Socket)) return stream.writableLength;
  const dispatched = bytesPassedToLibuv(stream);
  if (dispatched === undefined) return stream.writableLength;
  // Node's queue, and what libuv has of the write that Node has passed on.
  return Math.min(stream.writableLength, stream.bytesWritten - dispatched + libuvQueueOf(stream));
}

/** Watches the queue of a stream, by samples. */
export class WriteProgress {
  /** The first sample that saw a queue of which nothing was accepted since; undefined where nothing is queued. */
  stalledSince: number | undefined;
  readonly #stream: Duplex;
  #wasQueued = false;
  #mark = 0;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /** Compares the queue with the previous sample. True: bytes that are or were queued have been accepted since then. */
  sample(now: number): boolean {
    const isQueued = this.#stream.writableLength > 0;
    const mark = acceptedMark(this.#stream);
    const changed = mark !== this.#mark;
    const moved = changed && (isQueued || this.#wasQueued);
    if (!isQueued) this.stalledSince = undefined;
    else if (changed) this.stalledSince = now;
    else this.stalledSince ??= now;
    this.#wasQueued = isQueued;
    this.#mark = mark;
    return moved;
  }
}

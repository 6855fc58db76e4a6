import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { bytesPassedToLibuv, libuvQueueOf } from '../internals/node-net.js';

/** A stream that counts the bytes accepted from it. */
export type Counted = Duplex & { readonly bytesAccepted?: number };

/**
 * A mark that changes whenever the kernel, or the receiver of another stream, accepts bytes queued in `stream`. Node counts a
 * write only when the kernel has accepted the whole write, which may be a megabyte and, on a slow line, take minutes: libuv's
 * queue shows progress earlier.
 */
export function acceptedMark(stream: Duplex): number {
  if (!(stream instanceof Socket)) return (stream as Counted).bytesAccepted ?? -stream.writableLength;
  return stream.bytesWritten - stream.writableLength - libuvQueueOf(stream);
}

/** Bytes written to the stream that the kernel has not accepted; 0 once the stream is destroyed, since the number is lost. */
export function queuedIn(stream: Duplex): number {
  if (stream.destroyed) return 0;
  if (!(stream instanceof Socket)) return stream.writableLength;
  const dispatched = bytesPassedToLibuv(stream);
  if (dispatched === undefined) return stream.writableLength;
  // Node's queue, and the rest in libuv of the write that Node has passed on.
  return Math.min(stream.writableLength, stream.bytesWritten - dispatched + libuvQueueOf(stream));
}

/** Watches the queue of a stream by samples. */
export class WriteProgress {
  /** The time of the earliest sample after which no queued bytes were accepted; undefined if no bytes are queued. */
  stalledSince: number | undefined;
  readonly #stream: Duplex;
  #wasQueued = false;
  #mark = 0;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  /** Compares the queue with the previous sample. True: queued bytes have been accepted in between. */
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

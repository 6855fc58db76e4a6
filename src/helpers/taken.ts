import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

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
  const { _handle } = stream as Socket & { _handle?: { writeQueueSize?: number } | null };
  return stream.bytesWritten - stream.writableLength - (_handle?.writeQueueSize ?? 0);
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

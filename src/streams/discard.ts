import type { Duplex } from 'node:stream';

/** Destroys a stream that is not tame (see {@link tame}), and ignores what its `destroy` throws. */
export function discard(stream: Duplex, error?: Error): void {
  try {
    stream.destroy(error);
  } catch {
    // Nobody needs the stream any more.
  }
}

import type { Duplex } from 'node:stream';

/** Destroys a stream that is not tame (see {@link tame}), and ignores errors thrown by `destroy`. */
export function discard(stream: Duplex, error?: Error): void {
  try {
    stream.destroy(error);
  } catch {
    // The stream is no longer needed.
  }
}

import type { Duplex } from 'node:stream';

/** Destroys a stream, which may be an app's own and throw. */
export function discard(stream: Duplex, error?: Error): void {
  try {
    stream.destroy(error);
  } catch {
    // It is of no use to anybody any more.
  }
}

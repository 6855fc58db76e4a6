import type { Duplex } from 'node:stream';

/**
 * Adds an `error` listener for the stream's whole life: an ECONNRESET without a listener ends the process, and may arrive a tick
 * after all other listeners were removed. Code that needs to know of the error listens to the `close` that follows.
 */
export function ignoreErrors<Stream extends Duplex>(stream: Stream): Stream {
  if (!stream.listeners('error').includes(ignore)) stream.on('error', ignore);
  return stream;
}

function ignore(): void {
  // The error is ignored on purpose.
}

import type { Duplex } from 'node:stream';

/**
 * Adds an `error` listener that stays for the stream's whole life: an ECONNRESET without a listener ends the process, and it may
 * come a tick after every other listener was removed. Who needs to know listens to the `close` that follows.
 */
export function ignoreErrors<Stream extends Duplex>(stream: Stream): Stream {
  if (!stream.listeners('error').includes(ignore)) stream.on('error', ignore);
  return stream;
}

function ignore(): void {
  // Nothing to do.
}

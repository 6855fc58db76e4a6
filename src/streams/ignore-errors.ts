import type { Duplex } from 'node:stream';

/**
 * For the stream's whole life: an ECONNRESET without a listener ends the process, and may come a tick after everybody has
 * taken theirs off. The `close` that follows is what is listened to.
 */
export function ignoreErrors<Stream extends Duplex>(stream: Stream): Stream {
  if (!stream.listeners('error').includes(ignore)) stream.on('error', ignore);
  return stream;
}

function ignore(): void {
  // Nothing to do.
}

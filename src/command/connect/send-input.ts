import type { Readable } from 'node:stream';
import type { ClientStream } from '../../client/client-stream.js';

const NOTHING = Buffer.alloc(0);

/**
 * Sends standard input through a tunnel. A WebSocket has no half-close: a Close at the end of the input would cut off the answer
 * too. So the Close is sent when a period of `linger` seconds has passed without a byte from the server, and `isBusy` reports no
 * queued output. With Infinity no Close is sent: the server ends the tunnel. Returns a function that stops sending.
 */
export function sendInput(
  input: Readable,
  stream: ClientStream,
  linger: number,
  isBusy: () => boolean,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const stop = () => {
    isOver = true;
    clearTimeout(timer);
    input.unpipe(stream);
    input.off('end', onEnd);
    input.off('error', onEnd);
  };
  const watch = () => {
    if (isOver || linger === Infinity) return;
    const { bytesRead } = stream;
    timer = setTimeout(() => {
      if (stream.bytesRead > bytesRead || isBusy()) watch();
      else stream.end();
    }, linger * 1000);
  };
  const onEnd = () => {
    if (isOver || stream.writableEnded) return;
    if (linger === 0) stream.end();
    // Node calls the callback of an empty write after all queued bytes are accepted.
    else stream.write(NOTHING, (error) => (error ? undefined : watch()));
  };
  input.on('end', onEnd);
  input.on('error', onEnd);
  input.pipe(stream, { end: false });
  return stop;
}

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * A mark that changes whenever the kernel takes bytes of what waits in `stream`. Node counts a write only when all of it
 * is taken, which may be a megabyte and, on a slow line, minutes: libuv's own queue moves earlier.
 */
export function takenMark(stream: Duplex): number {
  if (!(stream instanceof Socket)) return -stream.writableLength;
  const { _handle } = stream as Socket & { _handle?: { writeQueueSize?: number } | null };
  return stream.bytesWritten - stream.writableLength - (_handle?.writeQueueSize ?? 0);
}

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { MessageChannel } from 'node:worker_threads';

// A port whose other end is closed: what is transferred to it is freed at once.
const { port1: nowhere, port2: other } = new MessageChannel();
other.close();

/** Below this the collector is cheaper. */
const WORTHWHILE = 16_384;

/**
 * Does the stream hold on to no chunk that it has read or written? Node's own sockets: a class derived from them may, as
 * any other Duplex.
 */
export function ownsItsChunks(stream: Duplex): boolean {
  return isPlain(stream) || Object.getPrototypeOf(stream) === TLSSocket.prototype;
}

/** A connection of the kernel's, with nothing in between. */
export function isPlain(stream: Duplex): boolean {
  return Object.getPrototypeOf(stream) === Socket.prototype;
}

/**
 * Frees the memory of a chunk that a socket has read, now that it is written. Left to the collector, some 40 MiB of such
 * chunks pile up before it runs, and each read takes cold memory. Nobody may look at the chunk again: it becomes empty.
 */
export function release(chunk: Buffer): void {
  const { buffer } = chunk;
  // A part of something larger is not ours alone.
  if (chunk.length !== buffer.byteLength || chunk.length < WORTHWHILE) return;
  try {
    nowhere.postMessage(null, [buffer as ArrayBuffer]);
  } catch {
    // Somebody marked it as untransferable: the collector has it.
  }
}

/** For a write's callback: one that failed may still have the chunk in its hands. */
export function releaseAfter(chunk: Buffer): (error?: Error | null) => void {
  return (error) => {
    if (!error) release(chunk);
  };
}

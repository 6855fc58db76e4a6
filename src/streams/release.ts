import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { MessageChannel } from 'node:worker_threads';

// A buffer transferred to a port whose other end is closed is freed at once.
const { port1: bin, port2: otherEnd } = new MessageChannel();
otherEnd.close();

/** Bytes. Smaller chunks are cheaper to leave to the garbage collector. */
export const WORTHWHILE = 16_384;

/**
 * Is the stream a socket of Node's (TCP, unix or TLS)? Methods of these sockets do not throw, `close` is emitted once, and no
 * chunk is kept after reading or writing. A derived class, or any other Duplex, guarantees none of these rules.
 */
export function isNodeSocket(stream: Duplex): boolean {
  return isPlain(stream) || Object.getPrototypeOf(stream) === TLSSocket.prototype;
}

/** Is the stream a connection of the kernel, without a layer in between? */
export function isPlain(stream: Duplex): boolean {
  return Object.getPrototypeOf(stream) === Socket.prototype;
}

/**
 * Frees the memory of a chunk read from a socket, after the chunk was written. Left to the garbage collector, some 40 MiB of such
 * chunks pile up before a collection, and each read uses cold memory. The chunk becomes empty: no code may use the chunk
 * afterwards.
 */
export function release(chunk: Buffer): void {
  const { buffer } = chunk;
  // A part of larger memory may have other users.
  if (chunk.length !== buffer.byteLength || chunk.length < WORTHWHILE) return;
  try {
    bin.postMessage(null, [buffer as ArrayBuffer]);
  } catch {
    // The buffer is marked as untransferable: the garbage collector frees the memory.
  }
}

/** For a write's callback: after a failed write the stream may still use the chunk. */
export function releaseAfter(chunk: Buffer): (error?: Error | null) => void {
  return (error) => {
    if (!error) release(chunk);
  };
}

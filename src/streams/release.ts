import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { MessageChannel } from 'node:worker_threads';

// What is transferred to a port whose other end is closed is freed at once.
const { port1: bin, port2: otherEnd } = new MessageChannel();
otherEnd.close();

/** Smaller chunks are cheaper to leave to the garbage collector, in bytes. */
const WORTHWHILE = 16_384;

/**
 * Node's own sockets, TCP, unix and TLS: no method throws, `close` comes once, and they keep no chunk that they have read or
 * written. Of a derived class, or any other Duplex, nothing of that is sure.
 */
export function isNodeSocket(stream: Duplex): boolean {
  return isPlain(stream) || Object.getPrototypeOf(stream) === TLSSocket.prototype;
}

/** A connection of the kernel's, without a layer in between. */
export function isPlain(stream: Duplex): boolean {
  return Object.getPrototypeOf(stream) === Socket.prototype;
}

/**
 * Frees the memory of a chunk that a socket has read, after it was written. Left to the garbage collector, some 40 MiB of such
 * chunks pile up before it runs, and each read takes cold memory. The chunk becomes empty: nobody may use it any more.
 */
export function release(chunk: Buffer): void {
  const { buffer } = chunk;
  // A part of larger memory may have other users.
  if (chunk.length !== buffer.byteLength || chunk.length < WORTHWHILE) return;
  try {
    bin.postMessage(null, [buffer as ArrayBuffer]);
  } catch {
    // Marked as untransferable: the garbage collector frees it.
  }
}

/** For a write's callback: after a failed write the stream may still use the chunk. */
export function releaseAfter(chunk: Buffer): (error?: Error | null) => void {
  return (error) => {
    if (!error) release(chunk);
  };
}

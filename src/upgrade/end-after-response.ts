import type { Duplex } from 'node:stream';

/** Seconds in which the client may take the answer and end its side. */
const LINGER = 2;

/**
 * Ends a socket behind its last answer. What the client still sends is read and dropped: closing on unread bytes sends a
 * reset, which can destroy the answer before it is read.
 */
export function endPolitely(socket: Duplex): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), LINGER * 1000);
  socket.once('close', () => clearTimeout(timer));
  socket.end();
  socket.resume();
}

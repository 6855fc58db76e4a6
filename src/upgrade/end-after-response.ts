import type { Duplex } from 'node:stream';

/** Seconds for the client to receive the response and to end the connection. */
const LINGER = 2;

/**
 * Ends a socket after its last response. Bytes that the client still sends are read and dropped: closing a socket with
 * unread bytes sends a reset, which can destroy the response before the client has read it.
 */
export function endAfterResponse(socket: Duplex): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), LINGER * 1000);
  socket.once('close', () => clearTimeout(timer));
  socket.end();
  socket.resume();
}

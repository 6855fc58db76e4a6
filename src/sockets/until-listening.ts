import type { Server } from 'node:net';

/**
 * Calls `start`, which makes the server listen. Resolves once the server listens, rejects if the start fails; removes its own event
 * listeners.
 */
export function untilListening(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const isListening = () => {
      server.off('error', fails);
      resolve();
    };
    const fails = (error: Error) => {
      server.off('listening', isListening);
      reject(error);
    };
    server.once('error', fails).once('listening', isListening);
    start();
  });
}

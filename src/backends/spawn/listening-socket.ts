import { lstatSync, renameSync, rmSync } from 'node:fs';
import { createServer, type ListenOptions, type Server } from 'node:net';
import { descriptorOf } from '../../internals/node-net.js';
import { bindError } from '../../sockets/bind-error.js';
import { isStaleSocket } from '../../sockets/stale-socket.js';
import type { ProcessAddress } from './process-address.js';

/**
 * Creates a listening socket and passes the descriptor to `use`, which starts the program with the descriptor. Our copy is closed
 * in the same event-loop turn, so that this process never accepts a connection meant for the program. Rejects if another process
 * listens at the address.
 */
export async function withListeningSocket<T>(
  address: ProcessAddress,
  backlog: number,
  use: (fd: number) => T,
): Promise<T> {
  const { socket } = address;
  if (socket !== undefined) await removeStaleSocket(socket);
  // Closing a server removes the server's path. So the server binds to a temporary name, and the socket is renamed in time.
  const bound = `${socket ?? ''}~`;
  if (socket !== undefined) rmSync(bound, { force: true });
  return onceListening(
    { ...(socket === undefined ? address : { path: bound }), backlog, exclusive: true },
    (server) => {
      const fd = descriptorOf(server);
      if (fd === undefined)
        throw new Error('this version of Node cannot hand over a listening socket: give handOver: false');
      if (socket !== undefined) renameSync(bound, socket);
      return use(fd);
    },
  );
}

/** Rejects if another process listens: that process must not be mistaken for the program that is about to start. */
export async function checkAddressIsFree(address: ProcessAddress): Promise<void> {
  if (address.socket === undefined) await onceListening({ ...address, exclusive: true }, () => undefined);
  else await removeStaleSocket(address.socket);
}

/** Calls `act` in the event-loop turn of the `listening` event, before the server can accept a connection. */
function onceListening<T>(where: ListenOptions, act: (server: Server) => T): Promise<T> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.on('error', (error) =>
      reject(where.path === undefined ? error : (bindError(error, where.path) as Error)),
    );
    server.on('listening', () => {
      try {
        const result = act(server);
        server.close(() => resolve(result));
      } catch (error) {
        server.close(() => reject(error));
      }
    });
    server.listen(where);
  });
}

export function removeSocket(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It belongs to another user by now.
  }
}

/** Removes the socket of a dead program, as lighttpd does. Rejects if a process listens on the socket. */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new Error(`${path} exists and is not a socket`);
  const isStale = await isStaleSocket(path);
  // The socket may have been removed meanwhile.
  if (!isStale && exists(path)) throw new Error(`another process listens on ${path}`);
  rmSync(path, { force: true });
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

import { lstatSync, renameSync, rmSync } from 'node:fs';
import { createServer, type ListenOptions, type Server } from 'node:net';
import { bindError } from '../../sockets/bind-error.js';
import { isBound } from '../../sockets/bound-socket.js';
import { connectError } from '../../sockets/stale-socket.js';
import type { Fill, ResolvedHost } from '../host.js';

/** Where one process listens. */
export interface ProcessAddress {
  readonly socket?: string;
  readonly host?: string;
  readonly port?: number;
}

/** Of the host's address the one of its process `number`, as lighttpd counts them; with none, a socket in `folder`. */
export function processAddressOf(
  { socket, host = '127.0.0.1', port }: ResolvedHost,
  number: number,
  own: string,
): ProcessAddress {
  if (port !== undefined) return { host, port: port + number };
  if (socket === undefined) return { socket: own };
  return { socket: number === 0 ? socket : `${socket}-${number}` };
}

const PLACEHOLDER = /\{(socket|host|port)\}/g;

/** The texts of a program in which its address may be asked for. */
export interface ProgramTexts {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Puts the address where a program's arguments or environment ask for it. */
export function fillPlaceholders(
  { args, environment, fill }: ProgramTexts & { fill: Fill },
  place: ProcessAddress,
): ProgramTexts {
  const { socket, host, port } = place;
  const known: Readonly<Record<string, string | undefined>> = { socket, host, port: port?.toString() };
  let isOver = fill === 'none';
  const one = (text: string) => {
    if (isOver) return text;
    const filled = text.replace(PLACEHOLDER, (whole, name: string) => known[name] ?? whole);
    isOver = fill === 'first' && text.includes(socket === undefined ? '{port}' : '{socket}');
    return filled;
  };
  // In this order: what follows may be a user's name.
  const filled = args.map(one);
  const entries = Object.entries(environment).map(([name, value]) => [name, one(value)] as const);
  return { args: filled, environment: Object.fromEntries(entries) };
}

/**
 * Binds and listens, and lends the descriptor to `use`, which starts the program with it. Ours is closed in the same turn of
 * the loop, so that we never accept what is the program's. Rejects where somebody else listens there.
 */
export async function withListeningSocket<T>(
  place: ProcessAddress,
  backlog: number,
  use: (fd: number) => T,
): Promise<T> {
  const { socket } = place;
  if (socket !== undefined) await removeStaleSocket(socket);
  // Closing a server removes its path: the program's has another name by then.
  const first = `${socket ?? ''}~`;
  if (socket !== undefined) rmSync(first, { force: true });
  return onceListening(
    { ...(socket === undefined ? place : { path: first }), backlog, exclusive: true },
    (server) => {
      const { fd = -1 } = (server as { _handle?: { fd?: number } })._handle ?? {};
      if (fd < 0) throw new Error('this Node can hand over no listening socket: give handOver: false');
      if (socket !== undefined) renameSync(first, socket);
      return use(fd);
    },
  );
}

/** Rejects where somebody else listens: it must not be taken for the program that is about to. */
export async function checkAddressIsFree(place: ProcessAddress): Promise<void> {
  if (place.socket === undefined) await onceListening({ ...place, exclusive: true }, () => undefined);
  else await removeStaleSocket(place.socket);
}

/** Calls back in the very turn in which nothing can have been accepted yet. */
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
    // Not ours to remove any more.
  }
}

/** Removes a socket that a program left when it died, as lighttpd does. Rejects where somebody listens on it. */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new Error(`${path} is there already, and no socket`);
  const answer = await connectError(path);
  if (answer === 'ENOENT') return;
  if (answer !== 'ECONNREFUSED' || isBound(path)) throw new Error(`somebody else listens on ${path}`);
  rmSync(path, { force: true });
}

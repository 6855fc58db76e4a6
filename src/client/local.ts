import { chmodSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';
import { fail, readNames, readNumber, readText } from '../helpers/readers.js';
import type { LocalAddress } from './types.js';

/** The largest TCP port. */
const MAX_PORT = 65_535;

/** Where to listen, as `net.Server.listen` takes it. */
export type Local = { readonly host: string; readonly port: number } | { readonly path: string };

/** Throws {@link TunnelError} WSTUNNEL_OPTION. */
export function readLocal(local: LocalAddress): Local {
  const given: unknown = local;
  const readPort = readNumber(0, MAX_PORT);
  if (typeof given === 'number') {
    readPort(given, 'local');
    return { host: '127.0.0.1', port: given };
  }
  if (typeof given === 'string') {
    readText(given, 'local');
    return { path: given };
  }
  const readHost = (value: unknown, name: string) => {
    if (typeof value !== 'string') fail(name, 'must be a string', value);
  };
  readNames(given, 'local', { host: readHost, port: readPort, path: readText });
  const { host = '127.0.0.1', port, path } = given as { host?: string; port?: number; path?: string };
  if (path !== undefined && port === undefined) return { path };
  if (port === undefined || path !== undefined) fail('local', 'must have either a port or a path', given);
  return { host, port };
}

/** Resolves when it listens; rejects where it can't. */
export async function listening(server: Server, local: Local): Promise<AddressInfo | string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...local, exclusive: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // Whoever can open it has the credentials of the tunnel.
  try {
    if ('path' in local) chmodSync(local.path, 0o600);
  } catch (error) {
    server.close();
    throw error;
  }
  return server.address() ?? '';
}

/** The program at this end is gone; read no further than what fits its buffer, for a tunnel that is still to come. */
export function whenLeft(socket: Socket, left: () => void): () => void {
  const onReadable = () => {
    // Only a read tells of an end; what it has sent is left where it is.
    if (socket.readableLength === 0) socket.read();
  };
  const stop = () => {
    socket.off('readable', onReadable);
    socket.off('end', onLeft);
    socket.off('close', onLeft);
  };
  const onLeft = () => {
    stop();
    left();
  };
  socket.on('readable', onReadable);
  socket.on('end', onLeft);
  socket.on('close', onLeft);
  return stop;
}

import { chmodSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';
import { fail, readNames, readNumber, readText } from '../options/checks.js';
import { listenPathFault } from '../sockets/socket-path.js';
import { listenAtPath } from '../sockets/stale-socket.js';
import { untilListening } from '../sockets/until-listening.js';
import { withUmask } from '../sockets/umask.js';
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
  if (typeof given === 'string') return { path: readPath(given, 'local') };
  const readHost = (value: unknown, name: string) => {
    if (typeof value !== 'string') fail(name, 'must be a string', value);
  };
  readNames(given, 'local', { host: readHost, port: readPort, path: readPath });
  const { host = '127.0.0.1', port, path } = given as { host?: string; port?: number; path?: string };
  if (path !== undefined && port === undefined) return { path };
  if (port === undefined || path !== undefined) fail('local', 'must have either a port or a path', given);
  return { host, port };
}

function readPath(value: unknown, name: string): string {
  readText(value, name);
  const path = value as string;
  const fault = listenPathFault(path);
  if (fault === undefined) return path;
  // Node's own code for a NUL in a path.
  if (path.includes('\0')) throw Object.assign(new TypeError(fault), { code: 'ERR_INVALID_ARG_VALUE' });
  return fail(name, `can't be listened on (${fault})`, path);
}

/** Resolves when it listens; rejects where it can't. A unix socket on which no program listens any more is replaced. */
export async function listening(server: Server, local: Local): Promise<AddressInfo | string> {
  const listen = () =>
    untilListening(server, () => {
      const start = () => void server.listen({ ...local, exclusive: true });
      // Node binds within this call: the socket is never open to other users, not even before its mode is set.
      if ('path' in local) withUmask(0o177, start);
      else start();
    });
  await ('path' in local ? listenAtPath(local.path, listen) : listen());
  // Whoever can open it has the credentials of the tunnel. The umask does not count in a worker thread, nor in a folder with an ACL.
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

import { chmodSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';
import { fail } from '../../options/checks/fail.js';
import { checkNames } from '../../options/checks/names.js';
import type { OptionRef } from '../../options/checks/option-path.js';
import { checkString, checkText, wholeNumber } from '../../options/checks/basic.js';
import { listenPathFault } from '../../sockets/socket-path.js';
import { listenAtPath } from '../../sockets/stale-socket.js';
import { untilListening } from '../../sockets/until-listening.js';
import { withUmask } from '../../sockets/umask.js';
import type { LocalAddress } from '../client-types.js';

/** The largest TCP port. */
const MAX_PORT = 65_535;

/** An address for `net.Server.listen`. */
export type LocalEndpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/** Checks a local address. Throws {@link TunnelError} WSTUNNEL_OPTION. */
export function readLocalAddress(local: LocalAddress): LocalEndpoint {
  const given: unknown = local;
  const checkPort = wholeNumber(0, MAX_PORT);
  if (typeof given === 'number') {
    checkPort(given, 'local');
    return { host: '127.0.0.1', port: given };
  }
  if (typeof given === 'string') return { path: readPath(given, 'local') };
  checkNames(given, 'local', {
    host: checkString,
    port: checkPort,
    path: (one, name) => void readPath(one, name),
  });
  const { host = '127.0.0.1', port, path } = given as { host?: string; port?: number; path?: string };
  if (path !== undefined && port === undefined) return { path };
  if (port === undefined || path !== undefined) fail('local', 'must have either a port or a path', given);
  return { host, port };
}

function readPath(value: unknown, name: OptionRef): string {
  checkText(value, name);
  const path = value as string;
  const fault = listenPathFault(path);
  if (fault === undefined) return path;
  // Node's own code for a NUL in a path.
  if (path.includes('\0')) throw Object.assign(new TypeError(fault), { code: 'ERR_INVALID_ARG_VALUE' });
  return fail(name, `can't be listened on (${fault})`, path);
}

/** Resolves to the address when the server listens. Replaces a stale unix socket, on which no program listens. */
export async function startListening(server: Server, local: LocalEndpoint): Promise<AddressInfo | string> {
  const listen = () =>
    untilListening(server, () => {
      const start = () => void server.listen({ ...local, exclusive: true });
      // Node binds within this call: the socket is never open to other users, even before chmod.
      if ('path' in local) withUmask(0o177, start);
      else start();
    });
  await ('path' in local ? listenAtPath(local.path, listen) : listen());
  // A program that can open the socket uses the credentials of the tunnel. The umask alone does not protect the socket: in a worker
  // thread, or in a folder with a default ACL, the umask has no effect.
  try {
    if ('path' in local) chmodSync(local.path, 0o600);
  } catch (error) {
    server.close();
    throw error;
  }
  return server.address() ?? '';
}

/**
 * Calls `left` when the local program ends its side before the tunnel is open. Received bytes stay in the socket's buffer for the
 * tunnel; no more bytes are read than the buffer holds. Returns a function that stops the watch.
 */
export function onLocalEnd(socket: Socket, left: () => void): () => void {
  const onReadable = () => {
    // Only a read notices an end. Buffered bytes are not consumed.
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

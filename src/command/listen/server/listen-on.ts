import type { Server } from 'node:net';
import { bindError } from '../../../sockets/bind-error.js';
import { listenPathFault, PORTABLE_SOCKET_PATH } from '../../../sockets/socket-path.js';
import { listenAtPath } from '../../../sockets/stale-socket.js';
import { untilListening } from '../../../sockets/until-listening.js';
import { shownAddress, type BindAddress } from '../../command-line/bind-and-target.js';
import { CommandError, EXIT } from '../../exit.js';
import { reasonOf } from '../../files.js';
import type { UnixAccess } from '../plan.js';
import { requirePassedSocket } from './passed-socket.js';
import { listenWithAccess } from './unix-access.js';

/** Listens on an address. @throws {CommandError} */
export async function listenOn(server: Server, address: BindAddress, unix: UnixAccess): Promise<void> {
  const { socket: path, fd, host, port, ipv6Only = false } = address;
  const listen = () =>
    untilListening(server, () => {
      if (fd !== undefined) {
        requirePassedSocket(fd, process.env);
        server.listen({ fd });
      } else if (path === undefined) server.listen({ port, host, ipv6Only });
      else listenWithAccess(server, path, unix);
    });
  try {
    if (path === undefined) await listen();
    else {
      const fault = listenPathFault(path, PORTABLE_SOCKET_PATH);
      if (fault !== undefined) throw new Error(fault);
      await listenAtPath(path, listen);
    }
  } catch (error) {
    throw listenFailure(address, error);
  }
}

/** The error of a failed listen, in plain words. */
export function listenFailure(address: BindAddress, thrown: unknown): CommandError {
  const error = address.socket === undefined ? thrown : bindError(thrown, address.socket);
  const { code } = error as NodeJS.ErrnoException;
  const isNoListener = code === 'EINVAL' && address.fd !== undefined;
  const isLowPort = code === 'EACCES' && address.port !== undefined && address.port < 1024;
  const hint =
    code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND'
      ? '; the first of two arguments is the listen address'
      : isLowPort
        ? '; ports below 1024 need root'
        : '';
  const message = `can't listen on ${shownAddress(address)}: ${isNoListener ? 'the socket is connected, or is not a stream socket' : reasonOf(error)}${hint}`;
  return new CommandError(EXIT.listen, message, { cause: error });
}

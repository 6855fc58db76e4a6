import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ignoreErrors } from '../../streams/ignore-errors.js';

/** Node's mark on a socket for the response that owns it. */
export type HttpSocket = Duplex & { _httpMessage?: ServerResponse | null };

/**
 * Goes on once the answers to the requests before this one on the connection are out (HTTP pipelining). A second
 * response on the socket would throw ERR_HTTP_SOCKET_ASSIGNED, or never be sent.
 */
export function whenAnswered(socket: HttpSocket, goOn: () => void): void {
  const before = socket._httpMessage;
  if (!before) {
    goOn();
    return;
  }
  // Node has taken off its own listeners, and the answer under way still needs them.
  const onDrain = () => passDrain(socket);
  ignoreErrors(socket);
  socket.on('drain', onDrain);
  before.once('close', () => {
    socket.off('drain', onDrain);
    if (!socket.destroyed && socket.writable) whenAnswered(socket, goOn);
  });
}

/** What Node's own `drain` listener does for the response that owns the socket. */
export function passDrain(socket: HttpSocket): void {
  const owner = socket._httpMessage;
  if (!owner || owner.writableEnded || !owner.writableNeedDrain) return;
  // Node keeps this under a symbol of its own and clears it before it emits `drain`.
  const flag = Object.getOwnPropertySymbols(owner).find((symbol) => symbol.description === 'kNeedDrain');
  if (flag) (owner as unknown as Record<symbol, unknown>)[flag] = false;
  owner.emit('drain');
}

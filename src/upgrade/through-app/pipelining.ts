import type { Duplex } from 'node:stream';
import { emitDrain, responseOn } from '../../internals/node-http.js';
import { ignoreErrors } from '../../streams/ignore-errors.js';

/**
 * Calls back after the responses to earlier requests on the connection have been sent (HTTP pipelining). A second response on the
 * socket would throw ERR_HTTP_SOCKET_ASSIGNED, or would never be sent.
 */
export function afterEarlierResponses(socket: Duplex, goOn: () => void): void {
  const earlier = responseOn(socket);
  if (!earlier) {
    goOn();
    return;
  }
  // Node has removed its listeners from the socket, and the response in progress still needs them.
  const onDrain = () => forwardDrain(socket);
  ignoreErrors(socket);
  socket.on('drain', onDrain);
  earlier.once('close', () => {
    socket.off('drain', onDrain);
    if (!socket.destroyed && socket.writable) afterEarlierResponses(socket, goOn);
  });
}

/** Notifies the response that owns the socket of the socket's `drain`, as Node's own `drain` listener does. */
export function forwardDrain(socket: Duplex): void {
  const owner = responseOn(socket);
  if (!owner || owner.writableEnded || !owner.writableNeedDrain) return;
  emitDrain(owner);
}

// The internals of node:net's sockets and servers. No other file reads these internals. spec/unit/internals/internals.spec.ts
// notices changes by Node.
import { Server as NetServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

interface SocketFields {
  readonly _handle?: {
    readonly writeQueueSize?: number;
    readonly reading?: boolean;
    readStart?(): number;
    readStop?(): number;
  } | null;
  readonly _bytesDispatched?: number;
}

/**
 * Bytes that Node has passed on to libuv and the kernel has not accepted.
 *
 * Reads `socket._handle.writeQueueSize` (libuv's `uv_stream_get_write_queue_size`, exposed since Node 0.6; Node's write timeout
 * compares the same number: https://github.com/nodejs/node/blob/v24.0.0/lib/net.js, `Socket.prototype._onTimeout`). 0 if Node
 * does not have the property. Test: "a stalled socket reports the bytes that libuv queues".
 */
export function libuvQueueOf(socket: Socket): number {
  return (socket as SocketFields)._handle?.writeQueueSize ?? 0;
}

/**
 * Bytes that Node has passed on to libuv; `bytesWritten` also counts the bytes in Node's own queue.
 *
 * Reads `socket._bytesDispatched` (since Node 0.8; https://github.com/nodejs/node/blob/v24.0.0/lib/net.js, the getter
 * `bytesWritten`). Undefined if Node does not have the property. Test: "a stalled socket reports the bytes that libuv queues".
 */
export function bytesPassedToLibuv(socket: Socket): number | undefined {
  return (socket as SocketFields)._bytesDispatched;
}

/**
 * Stops reading from the kernel at once, until {@link startReading}. The stream's own state does not change: no chunk is queued,
 * and no event is emitted. A plain `pause()` reads one more chunk first.
 *
 * Calls `socket._handle.readStop()` and leaves `reading` true, so that Node does not start to read by itself
 * (https://github.com/nodejs/node/blob/v24.0.0/lib/net.js, `Socket.prototype._read`). Does nothing if Node does not have the
 * method. Test: "a socket that stops reading keeps its state, and reads all bytes later".
 */
export function stopReading(socket: Duplex): void {
  const { _handle: handle } = socket as SocketFields;
  if (handle?.reading === true) handle.readStop?.();
}

/** Ends {@link stopReading}. A socket that Node has paused in the meantime stays paused. */
export function startReading(socket: Duplex): void {
  const { _handle: handle } = socket as SocketFields;
  if (handle?.reading === true) handle.readStart?.();
}

/**
 * The file descriptor of a listening server, for a child process.
 *
 * Reads `server._handle.fd` (https://github.com/nodejs/node/blob/v24.0.0/lib/net.js, `Server.prototype.listen`; on Windows the
 * handle has no descriptor). Undefined if the descriptor is missing or invalid. Test: "a listening server has a file descriptor".
 */
export function descriptorOf(server: Server): number | undefined {
  const { fd = -1 } = (server as { _handle?: { fd?: number } | null })._handle ?? {};
  return fd < 0 ? undefined : fd;
}

/**
 * The server that accepted a connection, also under TLS; undefined for a socket of another origin.
 *
 * Reads `socket.server` (since Node 0.6; https://github.com/nodejs/node/blob/v24.0.0/lib/net.js, `onconnection`, and
 * lib/internal/tls/wrap.js). Test: "an accepted socket names its server".
 */
export function serverOf(socket: object): unknown {
  return (socket as { server?: unknown }).server;
}

/**
 * The TCP or unix connection that carries an accepted TLS connection; undefined if Node no longer has the property.
 *
 * Reads `tlsSocket._parent` (https://github.com/nodejs/node/blob/v24.0.0/lib/internal/tls/wrap.js, the constructor of TLSSocket).
 * Test: "an accepted TLS socket names the connection below".
 */
export function connectionBelow(tls: TLSSocket): Socket | undefined {
  return (tls as { _parent?: Socket })._parent;
}

/** Makes `server` the result of {@link serverOf}: node:http overwrites the property of each connection that the server parses. */
export function setServerOf(socket: object, server: object): void {
  (socket as { server?: object }).server = server;
}

/**
 * Returns a stream to the state before the first reader: neither flowing nor paused, so that the next `data` listener starts the
 * flow. Node gives sockets to `upgrade` listeners in this state.
 *
 * Writes `readable.readableFlowing`. The three states are documented (https://nodejs.org/api/stream.html#three-states), the
 * setter is not (since Node 9.4; https://github.com/nodejs/node/blob/v24.0.0/lib/internal/streams/readable.js). node:http does
 * the same in `onParserExecuteCommon`. Test: "a stream that was read begins to flow again with its next reader".
 */
export function forgetReader(stream: Duplex): void {
  (stream as { readableFlowing: boolean | null }).readableFlowing = null;
}

/**
 * The servers of this process that listen or have connections; empty if Node has no such list.
 *
 * Calls `process._getActiveHandles()` (undocumented since Node 0.6; the public successor `process.getActiveResourcesInfo()`
 * returns only the names of kinds). Test: "the active handles of the process include a listening server".
 */
export function activeServers(): Server[] {
  const { _getActiveHandles: list } = process as { _getActiveHandles?: () => unknown[] };
  if (typeof list !== 'function') return [];
  return Reflect.apply(list, process, []).filter((handle) => handle instanceof NetServer);
}

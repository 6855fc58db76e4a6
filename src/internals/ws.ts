// A private method of `ws`, used only here; package.json pins the minor version of `ws` for this reason.
// spec/unit/internals/internals.spec.ts notices a change.
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';

/** The socket after the 101 response. */
export interface UpgradedSocket {
  readonly socket: Duplex;
  /** Bytes that the client sent after the request. */
  readonly head: Buffer;
}

/**
 * A WebSocket of `ws` that does not use the socket: `ws` writes the 101 response, and our own codec reads and writes the frames.
 *
 * Overrides `WebSocket.prototype.setSocket(socket, head, options)`, by which `WebSocketServer.completeUpgrade` hands over the
 * socket (since ws 3.0; https://github.com/websockets/ws/blob/8.18.0/lib/websocket.js). Never pass the object to other code:
 * `send`, `close` and `ping` have no socket. Test: "ws hands the socket and the bytes after the request to setSocket".
 */
export class SocketlessWebSocket extends WebSocket {
  upgraded: UpgradedSocket | undefined;

  setSocket(socket: Duplex, head: Buffer): void {
    this.upgraded = { socket, head };
  }
}

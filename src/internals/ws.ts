// A private method of `ws`, used only here; package.json pins the minor version of `ws` for this reason.
// spec/unit/internals/internals.spec.ts notices a change.
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** The socket after the 101 response. */
export interface UpgradedSocket {
  readonly socket: Duplex;
  /** Bytes that the client sent after the request. */
  readonly head: Buffer;
}

/**
 * A stand-in for `ws`'s WebSocket: `ws` writes the 101 response, and our own codec reads and writes the frames.
 *
 * Has the method `setSocket(socket, head, options)` of `WebSocket`, by which `WebSocketServer.completeUpgrade` hands over the
 * socket, and nothing else that `ws` uses (since ws 3.0; https://github.com/websockets/ws/blob/8.18.0/lib/websocket.js). Test:
 * "ws hands the socket and the bytes after the request to setSocket".
 */
class SocketReceiver {
  upgraded: UpgradedSocket | undefined;
  /** `ws` assigns the chosen subprotocol. */
  readonly _protocol = '';

  setSocket(socket: Duplex, head: Buffer): void {
    this.upgraded = { socket, head };
  }
}

/** For the option `WebSocket` of `WebSocketServer`. */
export const SocketlessWebSocket = SocketReceiver as unknown as typeof WebSocket &
  (new (address: null) => SocketlessWebSocket);
export type SocketlessWebSocket = WebSocket & SocketReceiver;

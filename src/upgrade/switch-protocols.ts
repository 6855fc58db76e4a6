import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { tame } from '../streams/tame.js';
import { SocketlessWebSocket, type UpgradedSocket } from '../internals/ws.js';

/** The parts of the 101 response besides the fields of the handshake. */
interface ResponseFields {
  readonly subprotocol: string | undefined;
  /** `Name: value` lines. */
  readonly headers: readonly string[];
}

const fieldsOf = new WeakMap<IncomingMessage, ResponseFields>();

const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  autoPong: false,
  // The bytes in tunnels are already compressed or encrypted, and compression of secrets reveals them (CRIME).
  perMessageDeflate: false,
  WebSocket: SocketlessWebSocket,
  handleProtocols: (_offered, req) => fieldsOf.get(req)?.subprotocol ?? false,
});
server.on('headers', (lines, req) => lines.push(...(fieldsOf.get(req)?.headers ?? [])));

/** Sends the 101 response (RFC 6455 section 4.2.2). Undefined if the client has gone. */
export function switchProtocols(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  fields: ResponseFields,
): UpgradedSocket | undefined {
  // `handleUpgrade` never calls back for a client that has ended the connection.
  if (socket.destroyed || !socket.readable || !socket.writable) return undefined;
  const request = requestForWs(req, fields.subprotocol);
  fieldsOf.set(request, fields);
  let upgraded: UpgradedSocket | undefined;
  // `ws` writes the header as UTF-8. Header values are Latin-1: Node checks and writes them as Latin-1.
  socket.setDefaultEncoding('latin1');
  server.handleUpgrade(request, socket, head, (ws) => {
    upgraded = ws.upgraded && { ...ws.upgraded, socket: tame(ws.upgraded.socket) };
  });
  socket.setDefaultEncoding('utf8');
  return upgraded;
}

/**
 * `Upgrade: h2c, websocket` asks for a WebSocket as well (RFC 6455 section 4.2.1 item 3), but `ws` rejects such a header, and
 * also empty list elements. The subprotocol is already chosen.
 */
function requestForWs(req: IncomingMessage, subprotocol: string | undefined): IncomingMessage {
  const headers = { ...req.headers, upgrade: 'websocket', 'sec-websocket-protocol': subprotocol };
  // Not an object that inherits from `req`: V8's hidden class of such an object is old at once, and would keep the request and all
  // that belongs to it from the young generation's collections. `ws` reads only the method and the headers.
  return { method: req.method, headers } as unknown as IncomingMessage;
}

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { tame } from '../streams/tame.js';
import { SocketlessWebSocket, type UpgradedSocket } from '../internals/ws.js';

/** What the response chooses from the client's offers. */
export interface ChosenFields {
  readonly subprotocol: string | undefined;
  /** The extensions that a backend has accepted. The tunnel itself accepts none. */
  readonly extensions?: string | undefined;
}

/** The parts of the 101 response besides the fields of the handshake. */
interface ResponseFields extends ChosenFields {
  /** `Name: value` lines. */
  readonly headers: readonly string[];
}

/** The parts of a request that `ws` reads, and the fields for the response. */
interface RequestForWs {
  readonly method: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly fields: ResponseFields;
}

const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  autoPong: false,
  // The bytes in tunnels are already compressed or encrypted, and compression of secrets reveals them (CRIME).
  perMessageDeflate: false,
  WebSocket: SocketlessWebSocket,
  handleProtocols: (_offered, req) => fieldsOf(req).subprotocol ?? false,
});
server.on('headers', (lines, req) => {
  const { headers, extensions } = fieldsOf(req);
  if (extensions !== undefined) lines.push(`Sec-WebSocket-Extensions: ${extensions}`);
  for (const line of headers) lines.push(line);
});

/** Sends the 101 response (RFC 6455 section 4.2.2). Undefined if the client has gone. */
export function switchProtocols(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  fields: ResponseFields,
): UpgradedSocket | undefined {
  // `handleUpgrade` never calls back for a client that has ended the connection.
  if (socket.destroyed || !socket.readable || !socket.writable) return undefined;
  let upgraded: UpgradedSocket | undefined;
  // `ws` writes the header as UTF-8. Header values are Latin-1: Node checks and writes them as Latin-1.
  socket.setDefaultEncoding('latin1');
  server.handleUpgrade(requestForWs(req, fields), socket, head, (ws) => {
    upgraded = ws.upgraded;
  });
  socket.setDefaultEncoding('utf8');
  return upgraded && { socket: tame(upgraded.socket), head: upgraded.head };
}

/**
 * `Upgrade: h2c, websocket` asks for a WebSocket as well (RFC 6455 section 4.2.1 item 3), but `ws` rejects such a header, and
 * also empty list elements. The subprotocol is already chosen.
 *
 * A new object, and not one that inherits from the request: for V8 each prototype is a type of its own, and all code that
 * touches a request afterwards would run several times slower.
 */
function requestForWs({ method, headers }: IncomingMessage, fields: ResponseFields): IncomingMessage {
  const request: RequestForWs = {
    method,
    headers: {
      upgrade: 'websocket',
      'sec-websocket-key': headers['sec-websocket-key'],
      'sec-websocket-version': headers['sec-websocket-version'],
      'sec-websocket-protocol': fields.subprotocol,
    },
    fields,
  };
  return request as unknown as IncomingMessage;
}

function fieldsOf(req: IncomingMessage): ResponseFields {
  return (req as unknown as RequestForWs).fields;
}

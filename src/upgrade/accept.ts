import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { tame } from '../streams/tame.js';

/** The socket behind the 101. */
export interface Accepted {
  readonly socket: Duplex;
  readonly head: Buffer;
}

interface Answer {
  readonly subprotocol: string | undefined;
  readonly headers: readonly string[];
}

// `ws` writes the 101; what it would do with the socket afterwards, our streaming codec does. `setSocket` is private to
// `ws`, hence its pinned minor version and the contract test of this file. The object is never handed out: its `send`,
// `close` and `ping` have no socket.
class BareWebSocket extends WebSocket {
  accepted: Accepted | undefined;

  setSocket(socket: Duplex, head: Buffer): void {
    this.accepted = { socket: tame(socket), head };
  }
}

const answers = new WeakMap<IncomingMessage, Answer>();

const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  autoPong: false,
  // What tunnels carry is compressed or encrypted already, and deflating secrets leaks them (CRIME).
  perMessageDeflate: false,
  WebSocket: BareWebSocket,
  handleProtocols: (_offered, req) => answers.get(req)?.subprotocol ?? false,
});
server.on('headers', (lines, req) => lines.push(...(answers.get(req)?.headers ?? [])));

/** Sends the 101 (RFC 6455 section 4.2.2). Undefined where the client is gone. */
export function accept(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  answer: Answer,
): Accepted | undefined {
  // `handleUpgrade` never calls back for a client that has ended.
  if (socket.destroyed || !socket.readable || !socket.writable) return undefined;
  const asked = asWsReadsIt(req, answer.subprotocol);
  answers.set(asked, answer);
  let accepted: Accepted | undefined;
  // `ws` writes the head as UTF-8. Header values are Latin-1, as Node checks and writes them.
  socket.setDefaultEncoding('latin1');
  server.handleUpgrade(asked, socket, head, (ws) => {
    accepted = ws.accepted;
  });
  socket.setDefaultEncoding('utf8');
  return accepted;
}

/**
 * `Upgrade: h2c, websocket` asks for a WebSocket as well (RFC 6455 section 4.2.1 item 3), but not to `ws`, which knows no
 * empty list elements either. The subprotocol is chosen already.
 */
function asWsReadsIt(req: IncomingMessage, subprotocol: string | undefined): IncomingMessage {
  const headers = { ...req.headers, upgrade: 'websocket', 'sec-websocket-protocol': subprotocol };
  return Object.create(req, { headers: { value: headers } }) as IncomingMessage;
}

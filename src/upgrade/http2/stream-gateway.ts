import { IncomingMessage, type Server } from 'node:http';
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { endPolitely } from '../end-after-response.js';
import type { Destination } from '../servers/upgrade-dispatcher.js';
import { closeAfterwards, newResponse } from '../through-app/server-response.js';
import { UpgradeThroughApp } from '../through-app/upgrade-through-app.js';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { admit } from '../through-app/admission.js';
import { passDrain } from '../through-app/pipelining.js';
import { closeResponse } from '../through-app/finish-without-socket.js';
import { isWebSocketConnect, ordinaryRequest, upgradeRequest, type StreamHeaders } from './stream-request.js';
import { StreamSocket } from './stream-socket.js';

/** What Node's http2 server emits for each stream. */
export type ServerStreamEvent = [
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  raw: string[],
];

/** The dispatcher of the server's upgrades, as far as streams need it. */
export interface StreamDispatcher {
  /** `others`: does anything else listen for streams? */
  destination(req: Pick<IncomingMessage, 'url' | 'headers'>, others: boolean): Destination;
  /** To the server's other listeners. */
  pass(event: ServerStreamEvent): void;
  /** A stream for this URL has reached a tunnel, whose `handshakeTimeout` it is, in seconds. */
  reached(url: string, handshakeTimeout: number): void;
}

/**
 * An extended CONNECT (RFC 8441) passes through the app as the upgrade that it is over HTTP/1.1: Express crashes on
 * http2's own request objects, and nothing behind it need know of HTTP/2. The function returned takes what is ours.
 */
export function takeStreams(
  http2: Http2Server,
  dispatcher: StreamDispatcher,
): (event: ServerStreamEvent) => boolean {
  const server = http2 as unknown as Server;
  return (event) => {
    const [stream, headers, , raw] = event;
    if (stream.destroyed || stream.closed) return false;
    const from: StreamHeaders = { headers, raw };
    const others = hasOthers(http2);
    if (isWebSocketConnect(from)) {
      const asked = { url: headers[':path'] ?? '/', headers: { upgrade: 'websocket' } };
      const { reach, handshakeTimeout, target } = dispatcher.destination(asked, others);
      if (others && (reach === 'no' || reach === 'hidden')) return false;
      const socket = new StreamSocket(stream);
      const req = upgradeRequest(from, socket);
      const place = admit(target, req, socket);
      if (!place) return true;
      const upgrade = new UpgradeThroughApp({
        ...{ server, req, socket, head: Buffer.alloc(0), place },
        onReached: (seconds) => dispatcher.reached(asked.url, seconds),
      });
      const orElse = () => {
        socket.letGo();
        dispatcher.pass(event);
      };
      // A stream carries one exchange: there is no connection to keep alive.
      if (others && reach === 'maybe') upgrade.startAsTrial(handshakeTimeout, orElse);
      else upgrade.start(handshakeTimeout);
      return true;
    }
    if (others) return false;
    if (headers[':method'] === 'CONNECT') return headers[':protocol'] !== undefined && answerUnknown(stream);
    if (!crashesOnHttp2(server)) return false;
    serveOrdinary(server, from, new StreamSocket(stream));
    return true;
  };
}

/** Listens anybody but Node, which makes requests of streams? */
function hasOthers(server: Http2Server): boolean {
  const isNodes = (listener: { name: string }) => listener.name === 'bound onServerStream';
  return server.listenerCount('connect') > 0 || !server.listeners('stream').every(isNodes);
}

/** RFC 9220 section 3: the protocol is unknown. */
function answerUnknown(stream: ServerHttp2Stream): true {
  ignoreErrors(stream);
  stream.respond({ ':status': 501 }, { endStream: true });
  return true;
}

/**
 * Express makes each request one of node:http, where http2's own throws, and the process ends. One that http2-express-bridge
 * has mended does not.
 */
function crashesOnHttp2(server: Server): boolean {
  return server.listeners('request').some((listener) => {
    const { request } = listener as { request?: unknown };
    return request instanceof IncomingMessage && !('http2Request' in listener);
  });
}

/** Pages of the app that opens the tunnel: over HTTP/2, where else a single GET would end the process. */
function serveOrdinary(server: Server, from: StreamHeaders, socket: StreamSocket): void {
  ignoreErrors(socket);
  const req = ordinaryRequest(from, socket);
  const res = newResponse(server, req, socket);
  closeAfterwards(res, () => undefined);
  res.assignSocket(socket as unknown as Socket);
  res.on('finish', () => {
    res.detachSocket(socket as unknown as Socket);
    closeResponse(res);
    // Unread, it would never end.
    req.resume();
    endPolitely(socket);
  });
  socket.on('drain', () => passDrain(socket));
  socket.on('timeout', () => {
    const heard = req.emit('timeout', socket) || res.emit('timeout', socket);
    if (!heard) socket.destroy();
  });
  if (req.headers.expect?.toLowerCase() === '100-continue') res.writeContinue();
  server.emit('request', req, res);
}

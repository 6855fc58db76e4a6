import type { IncomingMessage, Server } from 'node:http';
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { needsHttp1Requests } from '../../internals/express.js';
import { assignSocket, closeResponse, createResponse, detachSocket } from '../../internals/node-http.js';
import { isCompatListener } from '../../internals/node-http2.js';
import { ignoreErrors } from '../../streams/ignore-errors.js';
import { endAfterResponse } from '../end-after-response.js';
import { admitUpgrade } from '../through-app/admission.js';
import { forwardDrain } from '../through-app/pipelining.js';
import { closeAfterResponse } from '../through-app/server-response.js';
import { UpgradeThroughApp } from '../through-app/upgrade-through-app.js';
import type { UpgradeDestination } from '../upgrade-destination.js';
import { isWebSocketConnect, ordinaryRequest, upgradeRequest, type StreamHeaders } from './stream-request.js';
import { StreamSocket } from './stream-socket.js';

/** The arguments of an http2 server's `stream` event. */
export type ServerStreamEvent = [
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  raw: string[],
];

/** The parts of the server's upgrade dispatcher that streams need. */
interface StreamDispatcher {
  /** `hasOthers`: other listeners would get the stream as well. */
  destination(req: Pick<IncomingMessage, 'url' | 'headers'>, hasOthers: boolean): UpgradeDestination;
  /** Gives the stream to the server's other listeners. */
  pass(event: ServerStreamEvent): void;
  /** A stream for this URL has reached a tunnel with this `handshakeTimeout`, in seconds. */
  reached(url: string, handshakeTimeout: number): void;
}

/**
 * Sends each extended CONNECT (RFC 8441) through the app in the form of an upgrade over HTTP/1.1: Express crashes on http2's
 * request objects, and no other code has to know HTTP/2. The returned function takes a stream, or returns false if the stream is
 * for other listeners.
 */
export function streamGateway(
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
      const { reach, handshakeTimeout, tunnel } = dispatcher.destination(asked, others);
      if (others && (reach === 'no' || reach === 'hidden')) return false;
      const socket = new StreamSocket(stream);
      const req = upgradeRequest(from, socket);
      const slot = admitUpgrade(tunnel, req, socket);
      if (!slot) return true;
      const upgrade = new UpgradeThroughApp({
        ...{ server, req, socket, head: Buffer.alloc(0), slot, isHttp2: true },
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
    if (headers[':method'] === 'CONNECT') return headers[':protocol'] !== undefined && rejectProtocol(stream);
    if (!server.listeners('request').some(needsHttp1Requests)) return false;
    serveOrdinary(server, from, new StreamSocket(stream));
    return true;
  };
}

/** Are there listeners for streams besides Node's? */
function hasOthers(server: Http2Server): boolean {
  return server.listenerCount('connect') > 0 || !server.listeners('stream').every(isCompatListener);
}

/** RFC 9220 section 3: the protocol is unknown. */
function rejectProtocol(stream: ServerHttp2Stream): true {
  ignoreErrors(stream);
  stream.respond({ ':status': 501 }, { endStream: true });
  return true;
}

/** Serves the app's pages over HTTP/2: a single GET would otherwise end the process. */
function serveOrdinary(server: Server, from: StreamHeaders, socket: StreamSocket): void {
  ignoreErrors(socket);
  const req = ordinaryRequest(from, socket);
  const res = createResponse(server, req, socket);
  closeAfterResponse(res, true, () => true);
  assignSocket(res, socket);
  res.on('finish', () => {
    detachSocket(res, socket);
    closeResponse(res);
    // An unread request never ends.
    req.resume();
    endAfterResponse(socket);
  });
  socket.on('drain', () => forwardDrain(socket));
  socket.on('timeout', () => {
    const heard = req.emit('timeout', socket) || res.emit('timeout', socket);
    if (!heard) socket.destroy();
  });
  if (req.headers.expect?.toLowerCase() === '100-continue') res.writeContinue();
  server.emit('request', req, res);
}

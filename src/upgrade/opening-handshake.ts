import type { IncomingMessage } from 'node:http';
import { TunnelError } from '../errors.js';
import { serverOf } from '../internals/node-net.js';
import { elementsOf, isExtension } from '../request/header-elements.js';

/** The parts of the client's opening handshake that determine the response. */
export interface OpeningHandshake {
  /** In the client's order of preference. */
  readonly subprotocols: ReadonlySet<string>;
}

// 16 bytes in base64 (RFC 6455 section 4.2.1 item 5).
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const WEBSOCKET = /(^|,)[ \t]*websocket[ \t]*(,|$)/i;
const UPGRADE = /(^|,)[ \t]*upgrade[ \t]*(,|$)/i;
// uri-host [":" port], RFC 9112 section 3.2, without characters that occur in no host. The app may check more.
const HOST = /^[^\s/@?#\\,]+$/;

/** Does the request's Upgrade header name `websocket`? */
export function asksForWebSocket(req: Pick<IncomingMessage, 'headers'>): boolean {
  const { upgrade } = req.headers;
  return upgrade === 'websocket' || (upgrade !== undefined && WEBSOCKET.test(upgrade));
}

/** Does the request have any header of a WebSocket handshake? A page view in a browser has no such header. */
export function hasHandshakeHeader({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return ['upgrade', 'sec-websocket-key', 'sec-websocket-version'].some(
    (name) => headers[name] !== undefined,
  );
}

/** May the request go through the app as an upgrade? All others return to Node, which parses and answers them. */
export function isPlainHandshake(req: IncomingMessage): boolean {
  const { headers } = req;
  return (
    req.method === 'GET' &&
    req.httpVersion === '1.1' &&
    asksForWebSocket(req) &&
    headers.host !== undefined &&
    headers.expect === undefined &&
    !hasBody(req)
  );
}

/** Checks the opening handshake (RFC 6455 section 4.2.1). Throws the refusal of an invalid handshake: 400 or 426. */
export function readHandshake(req: IncomingMessage): OpeningHandshake {
  const { headers } = req;
  if (req.method !== 'GET') throw bad('the method must be GET');
  if (req.httpVersionMajor !== 1 || req.httpVersionMinor < 1) throw bad('HTTP/1.1 is required');
  if (countOf(req, 'host') !== 1 || !HOST.test(headers.host ?? ''))
    throw bad('exactly one valid Host header is required');
  if (mayLackHeaders(req)) throw bad('too many headers');
  if (!UPGRADE.test(headers.connection ?? '')) throw bad('the Connection header must name Upgrade');
  if (headers.expect !== undefined) throw bad('an Expect header is not allowed');
  if (hasBody(req)) throw bad('a body is not allowed');
  const version = headers['sec-websocket-version'];
  if (version !== '13') {
    const answer = { headers: { 'Sec-WebSocket-Version': '13' } };
    if (version === undefined) throw bad('the Sec-WebSocket-Version header is missing', answer);
    throw new TunnelError('WSTUNNEL_WRONG_VERSION', 'only WebSocket version 13 is supported', answer);
  }
  if (countOf(req, 'sec-websocket-key') !== 1 || !KEY.test(headers['sec-websocket-key'] ?? ''))
    throw bad('exactly one Sec-WebSocket-Key header of 16 bytes in base64 is required');
  const extensions = headers['sec-websocket-extensions'];
  if (extensions !== undefined && !elementsOf(extensions).every(isExtension))
    throw bad('the Sec-WebSocket-Extensions header is malformed');
  return { subprotocols: readSubprotocols(headers['sec-websocket-protocol']) };
}

const NO_SUBPROTOCOL: ReadonlySet<string> = new Set();

function readSubprotocols(header: string | undefined): ReadonlySet<string> {
  if (header === undefined) return NO_SUBPROTOCOL;
  const names = elementsOf(header);
  const offered = new Set(names);
  if (offered.size < names.length || !names.every((name) => TOKEN.test(name)))
    throw bad('the Sec-WebSocket-Protocol header must list distinct tokens');
  return offered;
}

function hasBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length'];
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && !/^0+$/.test(length));
}

/** The headers of a request that Node keeps without `server.maxHeadersCount`: `MAX_HEADER_PAIRS / 2` in Node's lib/_http_common.js. */
const KEPT_HEADERS = 1000;

/**
 * Whether Node may have dropped headers of the request. Node drops headers beyond `server.maxHeadersCount` without an error. A client
 * could make Node drop a header that a proxy adds at the end, such as X-Forwarded-For, and get the address of the trusted proxy.
 */
export function mayLackHeaders({ rawHeaders, socket }: IncomingMessage): boolean {
  const count = rawHeaders.length / 2;
  const { maxHeadersCount } = (serverOf(socket) ?? {}) as { maxHeadersCount?: unknown };
  const kept = typeof maxHeadersCount === 'number' ? maxHeadersCount : KEPT_HEADERS;
  return kept > 0 && count >= kept;
}

/** Counts the lines of a header: Node joins or drops repeated lines in `headers`. */
function countOf(req: IncomingMessage, name: string): number {
  const { rawHeaders } = req;
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const given = rawHeaders[i];
    if (given?.length === name.length && given.toLowerCase() === name) count++;
  }
  return count;
}

function bad(message: string, details = {}): TunnelError {
  return new TunnelError('WSTUNNEL_BAD_HANDSHAKE', `bad WebSocket handshake: ${message}`, details);
}

import type { IncomingMessage } from 'node:http';
import { TunnelError } from '../errors.js';

/** What the client's opening handshake offers. */
export interface Handshake {
  readonly subprotocols: ReadonlySet<string>;
}

// 16 bytes in base64 (RFC 6455 section 4.2.1 item 5).
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const WEBSOCKET = /(^|,)[ \t]*websocket[ \t]*(,|$)/i;
const UPGRADE = /(^|,)[ \t]*upgrade[ \t]*(,|$)/i;
// RFC 6455 section 9.1. None is ever agreed to.
const EXTENSION = extension();
// uri-host [":" port], RFC 9112 section 3.2; what remains of it is the app's to judge.
const HOST = /^[^\s/@?#\\,]+$/;

/** Does the request ask for a WebSocket at all? */
export function asksForWebSocket(req: Pick<IncomingMessage, 'headers'>): boolean {
  return WEBSOCKET.test(req.headers.upgrade ?? '');
}

/** Has it any header of an upgrade or of a WebSocket handshake? A browser's address bar sends none. */
export function hasHandshake({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return ['upgrade', 'sec-websocket-key', 'sec-websocket-version'].some(
    (name) => headers[name] !== undefined,
  );
}

/** A request that may go through the app as an upgrade; Node itself judges and answers all others. */
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

/** The server's side of RFC 6455 section 4.2.1. Throws the 400 or 426 that answers a bad handshake. */
export function readHandshake(req: IncomingMessage): Handshake {
  const { headers } = req;
  if (req.method !== 'GET') throw bad('the method must be GET');
  if (req.httpVersionMajor !== 1 || req.httpVersionMinor < 1) throw bad('HTTP/1.1 is required');
  if (countOf(req, 'host') !== 1 || !HOST.test(headers.host ?? '')) throw bad('exactly one Host is required');
  if (!UPGRADE.test(headers.connection ?? '')) throw bad('Connection must name Upgrade');
  if (headers.expect !== undefined) throw bad('Expect has no place in it');
  if (hasBody(req)) throw bad('a handshake has no body');
  const version = headers['sec-websocket-version'];
  if (version !== '13') {
    const answer = { headers: { 'Sec-WebSocket-Version': '13' } };
    if (version === undefined) throw bad('Sec-WebSocket-Version is missing', answer);
    throw new TunnelError('WSTUNNEL_WRONG_VERSION', 'only WebSocket version 13 is spoken here', answer);
  }
  if (countOf(req, 'sec-websocket-key') !== 1 || !KEY.test(headers['sec-websocket-key'] ?? ''))
    throw bad('exactly one Sec-WebSocket-Key of 16 bytes in base64 is required');
  if (!elementsOf(headers['sec-websocket-extensions']).every((element) => EXTENSION.test(element)))
    throw bad('Sec-WebSocket-Extensions must list extensions');
  return { subprotocols: readSubprotocols(headers['sec-websocket-protocol']) };
}

function readSubprotocols(header: string | undefined): ReadonlySet<string> {
  const names = elementsOf(header);
  const offered = new Set(names);
  if (offered.size < names.length || !names.every((name) => TOKEN.test(name)))
    throw bad('Sec-WebSocket-Protocol must list different tokens');
  return offered;
}

/**
 * Empty elements do not count (RFC 9110 section 5.6.1.2): Python's clients send an empty header where they offer nothing.
 * A quoted string of a WebSocket extension holds a token (RFC 6455 section 9.1), and so no comma.
 */
function elementsOf(header = ''): string[] {
  // White space is space and tab (RFC 9110 section 5.6.3), not all that trim() takes.
  const elements = header
    .split(',')
    .map((element) => element.replace(/^[ \t]+/, '').replace(/(?<![ \t])[ \t]+$/, ''));
  return elements.filter((element) => element !== '');
}

function hasBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length'];
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && !/^0+$/.test(length));
}

/** Node joins or drops repeated headers: count them as they came. */
function countOf(req: IncomingMessage, name: string): number {
  let count = 0;
  for (let i = 0; i < req.rawHeaders.length; i += 2) if (req.rawHeaders[i]?.toLowerCase() === name) count++;
  return count;
}

function bad(message: string, details = {}): TunnelError {
  return new TunnelError('WSTUNNEL_BAD_HANDSHAKE', `bad WebSocket handshake: ${message}`, details);
}

function extension(): RegExp {
  const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
  const parameter = `[ \\t]*;[ \\t]*${token}(?:[ \\t]*=[ \\t]*(?:${token}|"${token}"))?`;
  return new RegExp(`^${token}(?:${parameter})*$`);
}

import { validateHeaderName, validateHeaderValue } from 'node:http';
import { fail } from './fail.js';
import { optionError } from './option-error.js';
import { OptionPath, type OptionRef } from './option-path.js';

/** Headers that the handshake sets itself (RFC 6455 section 4.1), and headers that would change how the request is sent. */
const RESERVED =
  /^(connection|upgrade|sec-websocket-.*|content-length|transfer-encoding|expect|te|trailer|keep-alive|http2-settings|proxy-.*)$/i;

// RFC 9110 section 5.6.2.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** RFC 6455 section 4.1 item 10: the tokens must differ. An empty list offers no subprotocol. */
export function checkSubprotocol(value: unknown, name: OptionRef): void {
  const all = (Array.isArray(value) ? value : [value]) as unknown[];
  const isToken = (one: unknown) => typeof one === 'string' && TOKEN.test(one);
  if (!all.every(isToken) || new Set(all).size < all.length)
    fail(name, 'must be a token, or a list of different ones', value);
}

/** RFC 9110 section 7.2: a name or an address (IPv6 in brackets), with or without a port. */
export function isHostHeader(value: string): boolean {
  return /^[^\s/?#@\\]+$/.test(value) && URL.canParse(`http://${value}`);
}

/**
 * The headers for a backend that speaks WebSocket. A value may be undefined, so that `{ Cookie: req.headers.cookie }` needs no
 * condition; HTTP/1.1 requires a Host. Messages never show a value: the values are often secrets.
 */
export function checkHeaders(value: unknown, name: OptionRef): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail(name, 'must be an object of header names and values', value);
  const path = OptionPath.of(name);
  const names = new Set<string>();
  for (const [header, text] of Object.entries(value)) {
    checkHeaderName(header, path);
    if (names.size === names.add(header.toLowerCase()).size)
      throw optionError(path, `must have each header once; got ${JSON.stringify(header)} twice`);
    if (text !== undefined || isHost(header)) checkHeaderValue(header, text, path.entry(header));
  }
}

function isHost(header: string): boolean {
  return header.toLowerCase() === 'host';
}

function checkHeaderName(header: string, path: OptionPath): void {
  // A name with "_" takes the place of the name with "-", as servers that read both alike would.
  if (RESERVED.test(header.replaceAll('_', '-'))) {
    const hint = /^sec-websocket-protocol$/i.test(header) ? '; use the option subprotocol' : '';
    throw optionError(
      path,
      `can't have ${JSON.stringify(header)}: the handshake sets this header itself${hint}`,
    );
  }
  try {
    validateHeaderName(header);
  } catch {
    throw optionError(path, `has an invalid header name: ${JSON.stringify(header.slice(0, 80))}`);
  }
}

function checkHeaderValue(header: string, value: unknown, path: OptionPath): void {
  if (typeof value !== 'string') throw optionError(path, 'must be a string');
  try {
    validateHeaderValue(header, value);
  } catch {
    throw optionError(path, 'has a character that is not allowed in a header');
  }
  if (isHost(header) && !isHostHeader(value)) throw optionError(path, 'must be a host or host:port');
}

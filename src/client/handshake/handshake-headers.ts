import { validateHeaderName, validateHeaderValue, type OutgoingHttpHeaders } from 'node:http';
import { TunnelError } from '../../errors.js';
import { fail } from '../../options/checks.js';
import type { ConnectOptions } from '../client-types.js';
import { basicAuthorization, type TunnelUrl } from '../url/tunnel-url.js';

/** The handshake's own (RFC 6455 section 4.1), and what would end the request otherwise. */
const OURS =
  /^(host|connection|upgrade|sec-websocket-.*|content-length|transfer-encoding|expect|te|trailer|proxy-.*)$/i;
// RFC 9110 section 5.6.2.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// RFC 6265 section 4.1.1, and the blanks and commas that everybody takes.
const COOKIE_VALUE = /^[\x20-\x3a\x3c-\x5b\x5d-\x7e]*$/;

/** The headers of the handshake, but for its key. Throws {@link TunnelError} WSTUNNEL_OPTION; no value is shown, it may be secret. */
export function headersOf(
  options: ConnectOptions,
  offered: readonly string[],
  target: TunnelUrl,
): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    checkHeader(name, value);
    headers[name.toLowerCase()] = typeof value === 'string' ? value : [...value];
  }
  const once = (name: string, option: string, value: string | undefined) => {
    if (value === undefined) return;
    if (headers[name] !== undefined) refuse(`${option} and the header ${name} are one thing too many`);
    checkValue(option, value);
    headers[name] = value;
  };
  once('cookie', 'cookies', cookieOf(options.cookies));
  once('origin', 'origin', options.origin);
  once('authorization', 'bearer', options.bearer === undefined ? undefined : bearerOf(options.bearer));
  const basic = options.basic ?? target.credentials;
  once('authorization', 'basic', basic && basicAuthorization(basic));
  return {
    ...headers,
    host: options.hostHeader ?? target.authority,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    ...(offered.length > 0 && { 'sec-websocket-protocol': offered.join(', ') }),
  };
}

/** RFC 9110 section 7.2: a name or address, an IPv6 address in brackets, and perhaps a port. */
export function checkHost(value: unknown, name: string): void {
  const isHost = typeof value === 'string' && /^[^\s/?#@\\]+$/.test(value) && URL.canParse(`http://${value}`);
  if (!isHost) fail(name, 'must be a host or host:port', value);
}

/** RFC 6455 section 4.1 item 10: tokens, all different. An empty list offers none. */
export function checkSubprotocol(value: unknown, name: string): void {
  const all = (Array.isArray(value) ? value : [value]) as unknown[];
  const isToken = (one: unknown) => typeof one === 'string' && TOKEN.test(one);
  if (!all.every(isToken) || new Set(all).size < all.length)
    fail(name, 'must be a token, or a list of different ones', value);
}

function checkHeader(name: string, value: unknown): void {
  if (OURS.test(name)) {
    const hint = name.toLowerCase() === 'host' ? ': give it as hostHeader' : '';
    refuse(`the header ${JSON.stringify(name)} is the handshake's own${hint}`);
  }
  try {
    validateHeaderName(name);
  } catch (cause) {
    refuse(`${JSON.stringify(name)} is no name of a header`, cause);
  }
  for (const one of [value].flat()) {
    if (typeof one !== 'string') refuse(`the header ${name} must be a string or a list of strings`);
    checkValue(`the header ${name}`, one);
  }
}

function checkValue(what: string, value: string): void {
  try {
    validateHeaderValue('x', value);
  } catch {
    // Its message is fine, but the next one may show the value.
    refuse(`${what} has a character that a header can't carry`);
  }
}

function cookieOf(cookies: ConnectOptions['cookies']): string | undefined {
  if (cookies === undefined || typeof cookies === 'string') return cookies;
  const pairs = Object.entries(cookies).map(([name, value]) => {
    if (!TOKEN.test(name) || typeof value !== 'string' || !COOKIE_VALUE.test(value))
      refuse(`the cookie ${JSON.stringify(name)} has a character that must be encoded`);
    return `${name}=${value}`;
  });
  return pairs.length === 0 ? undefined : pairs.join('; ');
}

/** RFC 6750 section 2.1. */
function bearerOf(token: string): string {
  if (!/^[\w\-.~+/]+=*$/.test(token))
    refuse('bearer must be a token of the characters A-Z a-z 0-9 - . _ ~ + / =');
  return `Bearer ${token}`;
}

function refuse(what: string, cause?: unknown): never {
  throw new TunnelError('WSTUNNEL_OPTION', `wstunnel: ${what}`, { cause });
}

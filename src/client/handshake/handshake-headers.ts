import { validateHeaderName, validateHeaderValue, type OutgoingHttpHeaders } from 'node:http';
import { fail } from '../../options/checks/fail.js';
import { isHostHeader } from '../../options/checks/handshake.js';
import { OPTIONS_OBJECT } from '../../options/checks/names.js';
import { complaintAbout } from '../../options/checks/option-error.js';
import type { OptionRef } from '../../options/checks/option-path.js';
import type { ConnectOptions } from '../client-types.js';
import { basicAuthorization, type TunnelUrl } from '../url/tunnel-url.js';

/** Headers that the handshake sets itself (RFC 6455 section 4.1), and headers that would change how the request is sent. */
const RESERVED =
  /^(host|connection|upgrade|sec-websocket-.*|content-length|transfer-encoding|expect|te|trailer|proxy-.*)$/i;
// RFC 9110 section 5.6.2.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// RFC 6265 section 4.1.1, with the spaces and commas that servers accept too.
const COOKIE_VALUE = /^[\x20-\x3a\x3c-\x5b\x5d-\x7e]*$/;

/** For messages: the options that set the same header. */
const ALTERNATIVES = {
  cookie: 'give either the option cookies or a Cookie header, not both',
  origin: 'give either the option origin or an Origin header, not both',
  authorization:
    'give only one of the options bearer and basic, a user in the URL, and an Authorization header',
} as const;

/** The headers of the handshake, without its key. Throws {@link TunnelError} WSTUNNEL_OPTION, without the values, which may be secret. */
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
  const setOnce = (name: keyof typeof ALTERNATIVES, option: string, value: string | undefined) => {
    if (value === undefined) return;
    if (headers[name] !== undefined) refuse(ALTERNATIVES[name]);
    checkValue(option, value);
    headers[name] = value;
  };
  setOnce('cookie', 'cookies', cookieOf(options.cookies));
  setOnce('origin', 'origin', options.origin);
  setOnce('authorization', 'bearer', options.bearer === undefined ? undefined : bearerOf(options.bearer));
  const basic = options.basic ?? target.credentials;
  setOnce('authorization', 'basic', basic && basicAuthorization(basic));
  return {
    ...headers,
    host: options.hostHeader ?? target.authority,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    ...(offered.length > 0 && { 'sec-websocket-protocol': offered.join(', ') }),
  };
}

/** Checks the value of a Host header. */
export function checkHost(value: unknown, name: OptionRef): void {
  if (typeof value !== 'string' || !isHostHeader(value)) fail(name, 'must be a host or host:port', value);
}

function checkHeader(name: string, value: unknown): void {
  if (RESERVED.test(name)) {
    const hint = name.toLowerCase() === 'host' ? ': use the option hostHeader' : '';
    refuse(`the header ${JSON.stringify(name)} is set by the handshake itself${hint}`);
  }
  try {
    validateHeaderName(name);
  } catch (cause) {
    refuse(`${JSON.stringify(name)} is not a valid header name`, cause);
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
    // Node's error is not the cause of ours: a future Node may write the value into the message.
    refuse(`${what} has a character that is not allowed in a header`);
  }
}

function cookieOf(cookies: ConnectOptions['cookies']): string | undefined {
  if (cookies === undefined || typeof cookies === 'string') return cookies;
  const pairs = Object.entries(cookies).map(([name, value]) => {
    if (!TOKEN.test(name) || typeof value !== 'string' || !COOKIE_VALUE.test(value))
      refuse(`the cookie ${JSON.stringify(name)} has a character that must be percent-encoded`);
    return `${name}=${value}`;
  });
  return pairs.length === 0 ? undefined : pairs.join('; ');
}

/** RFC 6750 section 2.1. */
function bearerOf(token: string): string {
  if (!/^[\w\-.~+/]+=*$/.test(token))
    refuse('bearer must consist of the characters A-Z a-z 0-9 - . _ ~ + / =');
  return `Bearer ${token}`;
}

function refuse(what: string, cause?: unknown): never {
  throw complaintAbout(OPTIONS_OBJECT, what, cause);
}

import { fail } from '../../options/checks/fail.js';
import { redactUrl, redactUrlOption } from '../../observe/redact.js';
import { MUST_BE_ENCODED, isTargetMisread } from '../../options/checks/user-info.js';

/** The parts of a tunnel's URL. */
export interface TunnelUrl {
  readonly secure: boolean;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** Host and port as in the Host header. */
  readonly authority: string;
  /** Path and query. */
  readonly path: string;
  /** The user and password in the URL, decoded. */
  readonly credentials: Credentials | undefined;
  /** The URL for messages, without passwords and query values. */
  readonly shown: string;
}

/** For Basic authentication (RFC 7617). */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

const SCHEMES = ['ws:', 'wss:', 'http:', 'https:'];

/**
 * Reads a URL by RFC 6455 section 3; `http:` and `https:` mean the same as `ws:` and `wss:`, as in browsers. Throws
 * {@link TunnelError} WSTUNNEL_OPTION.
 */
export function readTunnelUrl(value: string | URL): TunnelUrl {
  const url = parseUrl(value, 'the URL', 'must be a ws: or wss: URL', isTargetMisread);
  if (!SCHEMES.includes(url.protocol))
    fail('the URL', 'must begin with ws: or wss:', maskedUrl(url.href), hintOf(url));
  if (url.hash !== '')
    fail('the URL', 'must have no fragment (RFC 6455 section 3)', redactUrlOption(url.href));
  const secure = url.protocol === 'wss:' || url.protocol === 'https:';
  return {
    secure,
    host: hostOf(url),
    port: portOf(url, secure),
    authority: url.host,
    path: `${url.pathname}${url.search}`,
    credentials: credentialsOf(url, 'the URL'),
    shown: redactUrl(url.href),
  };
}

/**
 * Parses a URL; copies a URL object, since the caller may change the object later. Messages show the URL without its password, and
 * hide the whole URL if the parser would misread the password.
 */
export function parseUrl(
  value: string | URL,
  name: string,
  must: string,
  isMisread: (text: string) => boolean,
): URL {
  const given: unknown = value;
  if (typeof given !== 'string' && !(given instanceof URL)) fail(name, must, given);
  const text = String(given);
  if (isMisread(text)) fail(name, MUST_BE_ENCODED, HIDDEN);
  if (!URL.canParse(text)) fail(name, must, maskedUrl(text), encodingHint(text));
  return new URL(text);
}

const HIDDEN = '***';

/** An invalid URL for a message. Where the password begins and ends can't be known (`ann:secret@host`, `//ann:sec/ret@host`). */
export function maskedUrl(text: string): string {
  const rest = text.replace(/^([a-z][a-z0-9+.-]*:)?\/\/[^/?#]*@/i, '');
  return rest.includes('@') ? HIDDEN : redactUrl(text);
}

function encodingHint(text: string): string {
  return text.includes('@') ? '; a user and password in it must be percent-encoded' : '';
}

export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

export function portOf(url: URL, secure: boolean): number {
  if (url.port !== '') return Number(url.port);
  return secure ? 443 : 80;
}

export function credentialsOf(url: URL, name: string): Credentials | undefined {
  if (url.username === '' && url.password === '') return undefined;
  try {
    return { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  } catch {
    return fail(name, 'must have its user and password percent-encoded', redactUrl(url.href));
  }
}

export function basicAuthorization({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** `localhost:8080/x` is a URL with the scheme `localhost:`. */
function hintOf(url: URL): string {
  const isHost = /^\d+(\/|$)/.test(url.pathname) && !url.href.includes('@');
  return isHost ? `; did you mean "ws://${redactUrl(url.href)}"?` : '';
}

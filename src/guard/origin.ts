import type { IncomingMessage } from 'node:http';
import { TunnelError } from '../errors.js';
import { onOneLine } from '../helpers/one-line.js';
import { firstOf, isSecure, trustsPeer } from '../request/proxy-trust.js';
import { redactUrl } from '../observe/redact.js';

/** May this request's Origin open a tunnel? */
export type OriginCheck<Req> = (origin: string | undefined, req: Req) => boolean | Promise<boolean>;

/** Limit of the characters of an Origin, and of the compared text, in events and the log. */
const MAX_SHOWN = 200;

/** The parts of an origin; `port` is never empty. */
interface ParsedOrigin {
  readonly scheme: string;
  readonly host: string;
  readonly port: string;
}

const DEFAULT_PORT: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** Origins parsed before: nearly all requests of a server name the same few, and each is parsed several times. */
const known = new Map<string, ParsedOrigin | undefined>();
/** Clients choose the texts: limits of the number and of the characters of each. */
const MOST_PARSED = 100;
const LONGEST_PARSED = 300;

/** The parts of an Origin. Undefined for `null`, for other schemes than http and https, and for a text that is not only an origin. */
export function parseOrigin(text: string): ParsedOrigin | undefined {
  const before = known.get(text);
  if (before !== undefined || known.has(text)) return before;
  const origin = readOrigin(text);
  if (text.length > LONGEST_PARSED) return origin;
  if (known.size >= MOST_PARSED) known.clear();
  known.set(text, origin);
  return origin;
}

function readOrigin(text: string): ParsedOrigin | undefined {
  // URL() would repair spaces, backslashes, a path and credentials: an origin has none of these (RFC 6454 section 6.2).
  if (!/^https?:\/\/[^/\\@?#\s]+$/i.test(text)) return undefined;
  // Not URL.canParse(): in optimised code, Node 20 reads a text with letters such as `\xcd\x81` as UTF-8, and accepts texts that URL() rejects.
  const url = parseUrl(text);
  if (!url) return undefined;
  return { scheme: url.protocol, host: url.hostname, port: url.port || (DEFAULT_PORT[url.protocol] ?? '') };
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

/** Throws the 400 for a request without an Origin if `origins` is a list. */
export function checkOriginIsThere({ headers }: IncomingMessage, isList: boolean): void {
  if (isList && (headers.origin === undefined || headers.origin === ''))
    throw new TunnelError('WSTUNNEL_ORIGIN_MISSING', 'an Origin header is required');
}

/** Throws the 403 unless the result of a check is `true`. `detail` is for the operator. */
export function checkOriginResult(passes: unknown, detail?: () => string): void {
  if (passes === true) return;
  const message = 'pages of this origin may not open this tunnel';
  throw new TunnelError('WSTUNNEL_ORIGIN_REFUSED', message, detail && { detail: detail() });
}

/**
 * The comparison as text, for events and the log. A client chooses both the Origin and the Host: neither may fill a log, add
 * lines to a log, or write a token there.
 */
export function comparisonOf(origin: string | undefined, expected: string): string {
  return `Origin ${origin === undefined ? '(none)' : shownOrigin(origin)}, expected ${shown(expected)}`;
}

/** An Origin for events and the log. */
export function shownOrigin(origin: string): string {
  return shown(redactUrl(origin));
}

function shown(text: string): string {
  const line = String(onOneLine(text.slice(0, MAX_SHOWN)));
  return text.length > MAX_SHOWN ? `${line}...` : line;
}

/** Prevents cross-site WebSocket hijacking (CVE-2015-0259): a page may reach only the host that served the page. */
export function isSameOrigin(origin: string | undefined, req: IncomingMessage): boolean {
  if (origin === undefined) return true;
  const page = parseOrigin(origin);
  if (!page) return false;
  const trusted = trustsPeer(req);
  // A Host without port means the scheme's port. After a proxy that ends TLS, only the page's origin tells the scheme.
  const target = parseOrigin(`${page.scheme}//${authorityOf(req, trusted)}`);
  if (target?.host !== page.host || target.port !== page.port) return false;
  return page.scheme === 'https:' || !isSecure(req, trusted);
}

/** Schemes of pages with an http(s) origin or with no origin. */
const NOT_NATIVE = new Set(['http', 'https', 'ws', 'wss', 'ftp', 'data', 'blob', 'about', 'javascript']);

/**
 * An entry that is compared literally: `null`, or the origin of a native app's or an extension's page, such as
 * `tauri://localhost`, `capacitor://localhost`, `file://` or `chrome-extension://id`. Undefined for every other entry.
 *
 * `null` is the origin of sandboxed frames and of local files. Every site can create such a frame, so an entry `null` allows
 * every site.
 */
export function nativeOrigin(entry: string): string | undefined {
  if (entry === 'null') return entry;
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/\\@?#*\s]*)$/i.exec(entry) ?? [];
  const name = scheme.toLowerCase();
  return name === '' || NOT_NATIVE.has(name) ? undefined : `${name}://${rest}`;
}

/** The origin that `isSameOrigin` expects, for messages. */
export function ownOrigin(req: IncomingMessage): string {
  const trusted = trustsPeer(req);
  const authority = authorityOf(req, trusted);
  return isSecure(req, trusted) ? `https://${authority}` : `the host ${authority}`;
}

/** The same as `ownOrigin`, with a reason if a proxy has forwarded the page's host without the port. */
export function expectedOrigin(req: IncomingMessage): string {
  const { origin = '' } = req.headers;
  const trusted = trustsPeer(req);
  const authority = authorityOf(req, trusted);
  const isPortLost =
    !isSecure(req, trusted) &&
    /^[^:]+$/.test(authority) &&
    origin.replace(/:\d{1,5}$/, ':') === `http://${authority}:`;
  const reason = isPortLost ? ': the proxy in front must forward the port as well (nginx: $http_host)' : '';
  return `${ownOrigin(req)}${reason}`;
}

/** The host and port that the client asked for, according to a trusted proxy or the request. */
function authorityOf({ headers }: IncomingMessage, trusted: boolean): string {
  const host = trusted ? firstOf(headers['x-forwarded-host']) : undefined;
  // A request over HTTP/2 has a pseudo-header in place of Host. A header of HTTP/1 can't have this name.
  if (host === undefined) return headers.host ?? (headers[':authority'] as string | undefined) ?? '';
  const port = firstOf(headers['x-forwarded-port']) ?? '';
  // 80 and 443 are default ports: an earlier proxy may have ended TLS, so that only the page tells the right port of the two.
  const isSpecific = /^\d{1,5}$/.test(port) && !['80', '443'].includes(port) && !/:\d*$/.test(host);
  return isSpecific ? `${host}:${port}` : host;
}

/** Compiles an entry: `https://a.b`, `a.b`, `a.b:8443`, `*.a.b`, `.a.b`, `https://*.a.b`. Undefined for any other text. */
export function compileOrigin(entry: string): ((page: ParsedOrigin) => boolean) | undefined {
  const match = /^(?:(https?:)\/\/)?(\*?\.)?([^/*]+)$/i.exec(entry);
  const [, scheme, subdomains, rest = ''] = match ?? [];
  if (!match) return undefined;
  const parsed = parseOrigin(`${scheme ?? 'https:'}//${rest}`);
  if (!parsed) return undefined;
  const anyPort = scheme === undefined && !/:\d+$/.test(rest);
  return (page) =>
    (scheme === undefined || page.scheme === parsed.scheme) &&
    (anyPort ? page.port === DEFAULT_PORT[page.scheme] : page.port === parsed.port) &&
    (subdomains === undefined ? page.host === parsed.host : page.host.endsWith(`.${parsed.host}`));
}

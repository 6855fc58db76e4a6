import type { IncomingMessage } from 'node:http';
import { TunnelError } from '../errors.js';
import { onOneLine } from '../helpers/one-line.js';
import { firstOf, isSecure, trustsPeer } from '../request/proxy-trust.js';
import { redactUrl } from '../observe/redact.js';

/** Is this request's Origin one that may open a tunnel? */
export type OriginCheck<Req> = (origin: string | undefined, req: Req) => boolean | Promise<boolean>;

/** Characters of an Origin, and of the text that it was compared with, in events and the log. */
const MOST_SHOWN = 200;

/** An origin taken apart; the port is always there. */
interface ParsedOrigin {
  readonly scheme: string;
  readonly host: string;
  readonly port: string;
}

const DEFAULT_PORT: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** Undefined for `null`, for schemes that are no web page's, and for what is more than an origin. */
export function parseOrigin(text: string): ParsedOrigin | undefined {
  // What URL() would mend (spaces, backslashes, a path, credentials) is no origin (RFC 6454 section 6.2).
  if (!/^https?:\/\/[^/\\@?#\s]+$/i.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  return { scheme: url.protocol, host: url.hostname, port: url.port || (DEFAULT_PORT[url.protocol] ?? '') };
}

/** Throws the 400 of a request without an Origin, where a list says which it may be. */
export function checkOriginIsThere({ headers }: IncomingMessage, isList: boolean): void {
  if (isList && (headers.origin === undefined || headers.origin === ''))
    throw new TunnelError('WSTUNNEL_ORIGIN_MISSING', 'an Origin header is required');
}

/** Throws the 403 that a check's answer means; only `true` passes. `detail` is for the operator. */
export function checkOriginResult(passes: unknown, detail?: () => string): void {
  if (passes === true) return;
  const message = 'pages of this origin may not open this tunnel';
  throw new TunnelError('WSTUNNEL_ORIGIN_REFUSED', message, detail && { detail: detail() });
}

/**
 * What was compared, for events and the log. A client writes both the Origin and the Host: neither may fill a log, write
 * lines of its own or carry a token there.
 */
export function comparisonOf(origin: string | undefined, expected: string): string {
  return `Origin ${origin === undefined ? '(none)' : shownOrigin(origin)}, expected ${shown(expected)}`;
}

/** An Origin for events and the log. */
export function shownOrigin(origin: string): string {
  return shown(redactUrl(origin));
}

function shown(text: string): string {
  const line = String(onOneLine(text.slice(0, MOST_SHOWN)));
  return text.length > MOST_SHOWN ? `${line}...` : line;
}

/** Against cross-site WebSocket hijacking (CVE-2015-0259): a page may only reach the host that it came from. */
export function isSameOrigin(origin: string | undefined, req: IncomingMessage): boolean {
  if (origin === undefined) return true;
  const page = parseOrigin(origin);
  if (!page) return false;
  const trusted = trustsPeer(req);
  // Without a port it is the scheme's: behind a TLS-ending proxy only the page knows the scheme.
  const target = parseOrigin(`${page.scheme}//${authorityOf(req, trusted)}`);
  if (target?.host !== page.host || target.port !== page.port) return false;
  return page.scheme === 'https:' || !isSecure(req, trusted);
}

/** Schemes whose pages have no origin of that scheme, or an http one. */
const NOT_NATIVE = new Set(['http', 'https', 'ws', 'wss', 'ftp', 'data', 'blob', 'about', 'javascript']);

/**
 * A list's entry that is compared letter by letter: `null`, or the origin of a native app's or an extension's page, such as
 * `tauri://localhost`, `capacitor://localhost`, `file://` or `chrome-extension://id`. Undefined for every other entry.
 *
 * `null` is the origin of sandboxed frames and of local files: whoever lists it lets every site in, as each can make such a frame.
 */
export function nativeOrigin(entry: string): string | undefined {
  if (entry === 'null') return entry;
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/\\@?#*\s]*)$/i.exec(entry) ?? [];
  const name = scheme.toLowerCase();
  return name === '' || NOT_NATIVE.has(name) ? undefined : `${name}://${rest}`;
}

/** What `isSameOrigin` compares with, for people. */
export function ownOrigin(req: IncomingMessage): string {
  const trusted = trustsPeer(req);
  const authority = authorityOf(req, trusted);
  return isSecure(req, trusted) ? `https://${authority}` : `the host ${authority}`;
}

/** The same, with the reason where a proxy has passed on the page's host without its port. */
export function expectedOrigin(req: IncomingMessage): string {
  const { origin = '' } = req.headers;
  const trusted = trustsPeer(req);
  const authority = authorityOf(req, trusted);
  const isPortLost =
    !isSecure(req, trusted) &&
    /^[^:]+$/.test(authority) &&
    origin.replace(/:\d{1,5}$/, ':') === `http://${authority}:`;
  const reason = isPortLost ? ': a proxy in front has to pass on the port as well (nginx: $http_host)' : '';
  return `${ownOrigin(req)}${reason}`;
}

/** The host and port that the client asked for, as far as a trusted proxy or the request says. */
function authorityOf({ headers }: IncomingMessage, trusted: boolean): string {
  const host = trusted ? firstOf(headers['x-forwarded-host']) : undefined;
  if (host === undefined) return headers.host ?? '';
  const port = firstOf(headers['x-forwarded-port']) ?? '';
  // 80 and 443 are the ports that an address without one has; a proxy before this one may have ended TLS, and only the
  // page knows which of them it is.
  const isTelling = /^\d{1,5}$/.test(port) && !['80', '443'].includes(port) && !/:\d*$/.test(host);
  return isTelling ? `${host}:${port}` : host;
}

/** A list's entry: `https://a.b`, `a.b`, `a.b:8443`, `*.a.b`, `.a.b`, `https://*.a.b`. Undefined if it is none. */
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

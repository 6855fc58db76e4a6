import type { IncomingMessage } from 'node:http';
import { TunnelError } from '../errors.js';
import { firstOf, isSecure, trustsPeer } from '../helpers/trust.js';

/** Is this request's Origin one that may open a tunnel? */
export type OriginCheck<Req> = (origin: string | undefined, req: Req) => boolean | Promise<boolean>;

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

/** Throws the 403 that a check's answer means; only `true` passes. */
export function checkOriginResult(passes: unknown): void {
  if (passes !== true)
    throw new TunnelError('WSTUNNEL_ORIGIN_REFUSED', 'pages of this origin may not open this tunnel');
}

/** Against cross-site WebSocket hijacking (CVE-2015-0259): a page may only reach the host that it came from. */
export function isSameOrigin(origin: string | undefined, req: IncomingMessage): boolean {
  if (origin === undefined) return true;
  const page = parseOrigin(origin);
  if (!page) return false;
  const trusted = trustsPeer(req);
  const forwardedHost = trusted ? firstOf(req.headers['x-forwarded-host']) : undefined;
  // Without a port it is the scheme's: behind a TLS-ending proxy only the page knows the scheme.
  const target = parseOrigin(`${page.scheme}//${forwardedHost ?? req.headers.host ?? ''}`);
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

import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { flatCopy } from '../helpers/flat-copy.js';
import type { KeptGrant } from '../request/grant.js';

/** The parts of an opening request from which a login check makes an equal request. An open tunnel keeps nothing else of its request. */
export interface KeptRequest {
  readonly server: Server;
  /** The tunnel's own socket, which lives as long as the tunnel: the addresses and the client's certificate are read from it. */
  readonly socket: Duplex;
  readonly url: string;
  /** Names and values in turn, separated by line breaks, which no header may contain: one text costs less memory than forty. */
  readonly headers: string;
  /** The value of `req.upgrade`. */
  readonly upgrade: boolean;
  /** The grant with which the tunnel was opened. */
  readonly granted?: KeptGrant | undefined;
}

/** `url`: the URL as it arrived, since a framework or a middleware may have changed `req.url`. */
export function keepRequest(server: Server, req: IncomingMessage, url: string, socket: Duplex): KeptRequest {
  const { upgrade } = req as IncomingMessage & { upgrade?: unknown };
  const headers = flatCopy(req.rawHeaders.join('\n'));
  return { server, socket, url: flatCopy(url), headers, upgrade: upgrade === true };
}

export function rawHeadersOf({ headers }: KeptRequest): string[] {
  return headers === '' ? [] : headers.split('\n');
}

const SET_COOKIE = /^set-cookie:\s*([^=;\s]+)=([^;]*)(.*)$/i;
const IS_DELETED = /;\s*(max-age\s*=\s*(0|-\d+)|expires\s*=[^;]*\b19[67]\d\b)/i;
const PATH = /;\s*path\s*=\s*(\/[^;]*)/i;
const DOMAIN = /;\s*domain\s*=\s*([^;]*)/i;

/** A cookie of a response. */
interface SetCookie {
  readonly name: string;
  readonly value: string;
  /** Undefined if the response names none. */
  readonly path: string | undefined;
  readonly isDeleted: boolean;
}

/**
 * The request as the client would repeat it: with the cookies that the 101 response has set, such as the id of a session that began or was
 * renewed while the tunnel opened. `lines`: the `Name: value` lines of the response.
 */
export function withCookies(kept: KeptRequest, lines: readonly string[]): KeptRequest {
  const set = cookiesSetBy(lines);
  if (set.length === 0) return kept;
  const path = kept.url.replace(/^\w+:\/\/[^/]*|[?#].*$/gs, '') || '/';
  // A response may delete a cookie at a path that the app no longer uses, while a cookie of the same name at another path lives on. A new
  // value counts whatever its path: a proxy may shorten the path of the request.
  const deleted = set.filter((one) => one.isDeleted && isWithin(path, one.path)).map(({ name }) => name);
  const renewed = set.filter(({ isDeleted }) => !isDeleted);
  const raw = rawHeadersOf(kept);
  const isCookie = (_: string, index: number) => raw[index - (index % 2)]?.toLowerCase() === 'cookie';
  let cookies = raw
    .filter((text, index) => index % 2 === 1 && isCookie(text, index))
    .flatMap((value) => value.split(/;\s*/).filter((one) => one !== ''))
    .filter((one) => !deleted.some((name) => one.startsWith(`${name}=`)));
  for (const { name, value } of renewed)
    cookies = [...cookies.filter((one) => !one.startsWith(`${name}=`)), `${name}=${value}`];
  const headers = raw.filter((text, index) => !isCookie(text, index));
  if (cookies.length > 0) headers.push('Cookie', cookies.join('; '));
  return { ...kept, headers: flatCopy(headers.join('\n')) };
}

/** Of several lines for one cookie the last counts. Name, domain and path make a cookie (RFC 6265 section 5.3 step 11). */
function cookiesSetBy(lines: readonly string[]): SetCookie[] {
  const all = new Map<string, SetCookie>();
  for (const line of lines) {
    const match = SET_COOKIE.exec(line);
    if (!match) continue;
    const [, name = '', value = '', attributes = ''] = match;
    const path = PATH.exec(attributes)?.[1]?.trim();
    const domain = DOMAIN.exec(attributes)?.[1]?.trim().toLowerCase();
    all.set([name, domain, path].join(';'), { name, value, path, isDeleted: IS_DELETED.test(attributes) });
  }
  return [...all.values()];
}

/** RFC 6265 section 5.1.4. A cookie without a path is for the folder of the request. */
function isWithin(path: string, folder: string | undefined): boolean {
  if (folder === undefined || path === folder) return true;
  return path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

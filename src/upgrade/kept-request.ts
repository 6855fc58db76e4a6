import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { flatCopy } from '../helpers/flat-copy.js';

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

/**
 * The request as the client would repeat it: with the cookies that the 101 response has set, such as the id of a session that began or was
 * renewed while the tunnel opened. `lines`: the `Name: value` lines of the response.
 */
export function withCookies(kept: KeptRequest, lines: readonly string[]): KeptRequest {
  const set = lines.map((line) => SET_COOKIE.exec(line)).filter((match) => match !== null);
  if (set.length === 0) return kept;
  const raw = rawHeadersOf(kept);
  const isCookie = (_: string, index: number) => raw[index - (index % 2)]?.toLowerCase() === 'cookie';
  let cookies = raw
    .filter((text, index) => index % 2 === 1 && isCookie(text, index))
    .flatMap((value) => value.split(/;\s*/).filter((one) => one !== ''));
  for (const [, name = '', value = '', attributes = ''] of set) {
    const others = cookies.filter((one) => !one.startsWith(`${name}=`));
    cookies = IS_DELETED.test(attributes) ? others : [...others, `${name}=${value}`];
  }
  const headers = raw.filter((text, index) => !isCookie(text, index));
  if (cookies.length > 0) headers.push('Cookie', cookies.join('; '));
  return { ...kept, headers: flatCopy(headers.join('\n')) };
}

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

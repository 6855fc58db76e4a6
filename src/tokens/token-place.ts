import type { IncomingMessage } from 'node:http';
import { pathOf, queryOf } from '../request/path.js';

/** Where a request has its token. */
export const TOKEN_PLACES = ['query', 'cookie', 'path', 'host', 'subprotocol'] as const;
export type TokenPlace = (typeof TOKEN_PLACES)[number];

/** Longer texts are not tokens: Node accepts headers of 16 KiB, and stores pay for the length of a key. */
const MAX_TOKEN_LENGTH = 8192;

/** The token of a request; undefined without one. */
export function tokenOf(req: IncomingMessage, place: TokenPlace, name: string): string | undefined {
  switch (place) {
    case 'query':
      return new URLSearchParams(queryOf(req)).get(name) ?? undefined;
    case 'cookie':
      return cookieOf(req.headers.cookie ?? '', name);
    case 'path':
      return decoded(/[^/]*$/.exec(pathOf(req) ?? '')?.[0] ?? '');
    case 'host':
      return labelOf(hostOf(req));
    case 'subprotocol':
      return subprotocolOf(req.headers['sec-websocket-protocol'] ?? '', subprotocolBegin(name));
  }
}

/** A subprotocol with a token begins so. */
export function subprotocolBegin(name: string): string {
  return `${name}.`;
}

/** Why a text can't be a token; undefined for a possible token. No source gets any other text. */
export function tokenFault(token: string): string | undefined {
  if (token === '') return 'the token is empty';
  if (token.length > MAX_TOKEN_LENGTH) return `the token has more than ${MAX_TOKEN_LENGTH} characters`;
  // A lone surrogate can't be written to a URL or a store.
  if (/[\p{Cc}\p{Surrogate}]/u.test(token)) return 'the token has control characters';
  return undefined;
}

function cookieOf(header: string, name: string): string | undefined {
  const begin = `${name}=`;
  const pair = header
    .split(';')
    .map((one) => one.trim())
    .find((one) => one.startsWith(begin));
  return pair === undefined ? undefined : decoded(pair.slice(begin.length).replace(/^"(.*)"$/, '$1'));
}

/** Express's `hostname`: behind a trusted proxy, that of X-Forwarded-Host. Without Express, the Host header. */
function hostOf(req: IncomingMessage): string {
  const { hostname } = req as { hostname?: unknown };
  return typeof hostname === 'string' ? hostname : (req.headers.host ?? '');
}

/** The first label of a name with several labels. Undefined for an address, and for a name of one label, such as `localhost`. */
function labelOf(host: string): string | undefined {
  const [, label] = /^([^.:[\]]+)\.[^.:]*[^\d.:][^:]*(?::\d*)?$/.exec(host) ?? [];
  return label?.toLowerCase();
}

/** A page can choose no other header of its WebSocket: `new WebSocket(url, ['binary', 'token.abc'])`. */
function subprotocolOf(header: string, begin: string): string | undefined {
  const offered = header.split(',').map((one) => one.trim());
  return offered.find((one) => one.startsWith(begin))?.slice(begin.length);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

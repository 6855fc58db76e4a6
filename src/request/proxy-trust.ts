import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { settingOf } from '../internals/express.js';

/** Does the Express app trust every `X-Forwarded-For` (`trust proxy: true`)? Then clients can choose their address. */
export function trustsEverybody(req: IncomingMessage): boolean {
  return settingOf(req, 'trust proxy') === true;
}

/** Is `trust proxy` set to a value narrower than `true`? */
export function trustsSomebody(req: IncomingMessage): boolean {
  const trust = settingOf(req, 'trust proxy');
  return trust !== undefined && trust !== false && trust !== true;
}

/** Does `trust proxy` trust the peer of this connection, and so the peer's headers for host and scheme? */
export function trustsPeer(req: IncomingMessage): boolean {
  const trust = settingOf(req, 'trust proxy fn');
  if (typeof trust !== 'function') return false;
  return (
    (trust as (address: string | undefined, hop: number) => unknown)(req.socket.remoteAddress, 0) === true
  );
}

/** Did the request arrive over TLS, here or at a trusted proxy? Traefik names the scheme of a WebSocket: `wss`, `ws`. */
export function isSecure(req: IncomingMessage, trusted = trustsPeer(req)): boolean {
  if ((req.socket as Partial<TLSSocket>).encrypted === true) return true;
  return trusted && /^(https|wss)$/i.test(firstOf(req.headers['x-forwarded-proto']) ?? '');
}

/** The first value of a header to which each proxy appends. */
export function firstOf(header: string | string[] | undefined): string | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  const first = text?.split(',')[0]?.trim();
  return first === '' ? undefined : first;
}

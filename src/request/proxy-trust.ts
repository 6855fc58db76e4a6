import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';

/** What is used of an Express app. */
interface ExpressApp {
  get(setting: string): unknown;
}

/** Does Express believe every `X-Forwarded-For`? Then a client writes its own address. */
export function trustsEverybody(req: IncomingMessage): boolean {
  return setting(req, 'trust proxy') === true;
}

/** Is `trust proxy` set to something narrower than `true`? */
export function trustsSomebody(req: IncomingMessage): boolean {
  const trust = setting(req, 'trust proxy');
  return trust !== undefined && trust !== false && trust !== true;
}

/** Does `trust proxy` trust the peer of this connection to tell the host and the scheme? */
export function trustsPeer(req: IncomingMessage): boolean {
  const trust = setting(req, 'trust proxy fn');
  if (typeof trust !== 'function') return false;
  return (
    (trust as (address: string | undefined, hop: number) => unknown)(req.socket.remoteAddress, 0) === true
  );
}

/** Known to be secure: by its own TLS, or as a trusted proxy says. Traefik names the scheme of a WebSocket: `wss`, `ws`. */
export function isSecure(req: IncomingMessage, trusted = trustsPeer(req)): boolean {
  if ((req.socket as Partial<TLSSocket>).encrypted === true) return true;
  return trusted && /^(https|wss)$/i.test(firstOf(req.headers['x-forwarded-proto']) ?? '');
}

/** The first value of a header that every proxy on the way adds to. */
export function firstOf(header: string | string[] | undefined): string | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  const first = text?.split(',')[0]?.trim();
  return first === '' ? undefined : first;
}

function setting(req: IncomingMessage, name: string): unknown {
  const { app } = req as IncomingMessage & { app?: ExpressApp };
  return typeof app?.get === 'function' ? app.get(name) : undefined;
}

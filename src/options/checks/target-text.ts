import type { Host } from '../../types.js';
import { readHostAndPort } from './host-port.js';

export const LOOPBACK = '127.0.0.1';

/**
 * Parses a target: `5900` and `:5900` (this machine), `desk.lan:5900`, `[::1]:5900`, `unix:/run/vnc.sock`, `tls:HOST:PORT`. Undefined
 * for any other text.
 */
export function parseTarget(text: string): Host | undefined {
  const socket = socketOf(text);
  if (socket !== undefined) return { socket };
  const isTls = text.startsWith('tls:');
  const found = readHostAndPort(isTls ? text.slice('tls:'.length) : text);
  if (!found || found.port === 0 || found.host === '*') return undefined;
  // `:5900` means this machine, as in websockify.
  return { host: found.host || LOOPBACK, port: found.port, ...(isTls && { tls: true }) };
}

/** A target, or the URL of a WebSocket server, which the check of the options reads. */
export function parseBackend(text: string): Host | undefined {
  return /^wss?:\/\//i.test(text) ? { url: text } : parseTarget(text);
}

/** The path of a unix socket: `unix:/run/vnc.sock`, or a text that begins with a slash. */
export function socketOf(text: string): string | undefined {
  const path = text.startsWith('unix:') ? text.slice('unix:'.length) : text;
  return path !== '' && (path !== text || path.startsWith('/')) ? path : undefined;
}

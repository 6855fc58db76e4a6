import { inspect } from 'node:util';
import { TunnelError } from '../errors.js';
import { fail } from './checks.js';
import { readHostAndPort } from './host-port.js';
import type { Host } from '../types.js';

/** Longer text is no address, and is not repeated. */
const MAX_TEXT = 200;

/** A host is an object: text, or a port alone, is refused with the object that it stands for. */
export function refuseText(value: string | number, name: string): never {
  const host = typeof value === 'number' ? { port: value } : hostOf(value);
  const hint = `; write ${host ? inspect(host, { breakLength: Infinity }) : "{ host: 'desk.lan', port: 5900 }"}`;
  // A URL may hold a password.
  if (typeof value === 'string' && /:\/\/|@/.test(value))
    throw new TunnelError('WSTUNNEL_OPTION', `wstunnel: ${name} must be an object and not a URL${hint}`);
  fail(name, 'must be an object', value, hint);
}

/** The host name of an option, without a port or a scheme. */
export function checkHostName(text: string, name: string): void {
  if (!/[:@]/.test(text) || text.startsWith('/')) return;
  const host = hostOf(text);
  const hint = host ? `; write ${inspect(host, { breakLength: Infinity })}` : '';
  // Without the value, which may be a URL with a password.
  throw new TunnelError('WSTUNNEL_OPTION', `wstunnel: ${name} must be a name or an address alone${hint}`);
}

/** `localhost:5900`, `unix:/run/vnc.sock`, `tls:desk.lan:5900` as the command takes them, and what stands in a URL of its host. */
function hostOf(text: string): Host | undefined {
  if (text.length > MAX_TEXT) return undefined;
  if (/^(unix:)?\//.test(text)) return { socket: text.replace(/^unix:/, '') };
  const url = /^([a-z][a-z0-9+.-]*):\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  const isTls = text.startsWith('tls:') || url?.protocol === 'https:' || url?.protocol === 'wss:';
  const found = readHostAndPort(url ? url.host : text.replace(/^tls:/, ''));
  if (!found || found.port === 0) return undefined;
  const { host = '', port } = found;
  return { ...(host !== '' && host !== '*' && { host }), port, ...(isTls && { tls: true }) };
}

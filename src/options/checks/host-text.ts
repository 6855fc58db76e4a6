import { inspect } from 'node:util';
import { fail } from './fail.js';
import { readHostAndPort } from './host-port.js';
import { optionError } from './option-error.js';
import type { OptionRef } from './option-path.js';
import type { Host } from '../../types.js';

/** A longer text is not an address, and is not repeated in the message. */
const MAX_TEXT = 200;

/** Refuses a text or a port in the place of a host, and names the object to write instead. */
export function refuseText(value: string | number, name: OptionRef): never {
  const host = typeof value === 'number' ? { port: value } : hostOf(value);
  const hint = `; write ${host ? inspect(host, { breakLength: Infinity }) : "{ host: 'desk.lan', port: 5900 }"}`;
  // A URL may contain a password.
  if (typeof value === 'string' && /:\/\/|@/.test(value))
    throw optionError(name, `must be an object and not a URL${hint}`);
  fail(name, 'must be an object', value, hint);
}

/** Checks a host name of an option: without port and scheme. */
export function checkHostName(text: string, name: OptionRef): void {
  if (!/[:@]/.test(text) || text.startsWith('/')) return;
  const host = hostOf(text);
  const hint = host ? `; write ${inspect(host, { breakLength: Infinity })}` : '';
  // The message omits the value, which may be a URL with a password.
  throw optionError(name, `must be only a name or an address${hint}`);
}

/** The host of a URL, or of a text as the command takes it: `localhost:5900`, `unix:/run/vnc.sock`, `tls:desk.lan:5900`. */
function hostOf(text: string): Host | undefined {
  if (text.length > MAX_TEXT) return undefined;
  if (/^(unix:)?\//.test(text)) return { socket: text.replace(/^unix:/, '') };
  const url = /^([a-z][a-z0-9+.-]*):\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url && isWebSocket(url) && !text.includes('@'))
    return { url: `${url.protocol}//${url.host}${url.pathname}` };
  const isTls = text.startsWith('tls:') || url?.protocol === 'https:';
  const found = readHostAndPort(url ? url.host : text.replace(/^tls:/, ''));
  if (!found || found.port === 0) return undefined;
  const { host = '', port } = found;
  return { ...(host !== '' && host !== '*' && { host }), port, ...(isTls && { tls: true }) };
}

function isWebSocket({ protocol }: URL): boolean {
  return protocol === 'ws:' || protocol === 'wss:';
}

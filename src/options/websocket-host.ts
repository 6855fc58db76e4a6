import type { WebSocketTarget } from '../backends/websocket/target.js';
import type { Host } from '../types.js';
import { fail } from './checks/fail.js';
import type { OptionPath } from './checks/option-path.js';

/** The options that say where or how a host is reached, and that a URL replaces. */
const REPLACED = ['host', 'port', 'socket', 'connect', 'spawn'] as const;

/** The options that need a URL. */
const NEED_URL = ['headers', 'subprotocol', 'mode', 'passStatus'] as const;

/** A host with its URL split up: the connection goes to `host` and `port`, as for every other host. */
type ReadHost = Omit<Host, 'url'> & { readonly url?: string; readonly websocket?: WebSocketTarget };

/** Reads the options of a backend that speaks WebSocket, which were checked one by one. Other hosts are returned unchanged. */
export function withUrl(given: Host, path: OptionPath): ReadHost {
  const { url: address, ...others } = given;
  if (address === undefined) {
    const needy = NEED_URL.find((name) => given[name] !== undefined);
    if (needy !== undefined) fail(path.key(needy), 'needs the option url', given[needy]);
    return others;
  }
  const other = REPLACED.find((name) => given[name] !== undefined);
  if (other !== undefined) fail(path, `takes either url or ${other}, not both`, given);
  const url = new URL(address);
  const isSecure = url.protocol === 'wss:';
  if (!isSecure && given.tls !== undefined && given.tls !== false)
    fail(path.key('tls'), 'needs a wss: URL', given.tls);
  if (isSecure && given.tls === false) fail(path.key('tls'), 'must not be false with a wss: URL', false);
  const { headers = {}, subprotocol, mode = 'frames', passStatus = true } = given;
  return {
    ...others,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (isSecure ? 443 : 80) : Number(url.port),
    tls: isSecure ? (given.tls ?? true) : false,
    url: url.href,
    mode,
    passStatus,
    websocket: Object.freeze({
      mode,
      authority: url.host,
      path: `${url.pathname}${url.search}`,
      headers: Object.entries(headers),
      subprotocols: subprotocol === undefined ? undefined : [subprotocol].flat(),
      passStatus,
    }),
  };
}

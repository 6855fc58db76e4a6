import { isIP } from 'node:net';
import { targetPathFault } from '../sockets/socket-path.js';
import type { Host } from '../types.js';
import { fail } from './checks/fail.js';
import { checkHostName } from './checks/host-text.js';
import type { OptionRef } from './checks/option-path.js';
import { checkBoolean, checkText, oneOf, wholeNumber } from './checks/basic.js';
import { checkHeaders, checkSubprotocol } from './checks/handshake.js';
import { checkWebSocketUrl } from './checks/websocket-url.js';
import { booleanRow, functionRow, numberRow, row, secondsRow, wordRow, type Rows } from './row.js';
import { checkSpawn } from './spawn-options.js';

/** The options of a host, with their defaults. Times in seconds. */
export const HOST_OPTIONS = {
  host: row(checkHost),
  port: row(checkPort),
  socket: row(checkSocket),
  // read-hosts.ts reads the certificates.
  tls: row(checkTls),
  // lighttpd's `connect-timeout`.
  connectTimeout: secondsRow(0.001, 300, 8),
  // lighttpd's `disable-time`.
  disableTime: secondsRow(0, 3600, 1),
  readTimeout: secondsRow(0, 86_400, 0),
  writeTimeout: secondsRow(0, 86_400, 0),
  maxTunnels: numberRow(0, 1_000_000, 0),
  onFull: wordRow(['refuse', 'takeover'], 'refuse'),
  weight: numberRow(1, 100, 1),
  backup: booleanRow(false),
  // Keystrokes must not wait for Nagle's algorithm.
  noDelay: booleanRow(true),
  // Finds a dead backend although a tunnel may be silent for hours.
  keepAlive: secondsRow(0, 7200, 60),
  localAddress: row((value, name) => {
    if (typeof value !== 'string' || isIP(value) === 0) fail(name, 'must be an IP address', value);
  }),
  lookup: functionRow(),
  proxyProtocol: row((value, name) => {
    if (value !== 1 && value !== 2) fail(name, 'must be 1 or 2', value);
  }),
  connect: functionRow(),
  spawn: row(checkSpawn),
  // websocket-host.ts fills in the defaults of these options, which only a host with a URL has.
  url: row(checkWebSocketUrl),
  headers: row(checkHeaders),
  subprotocol: row(checkSubprotocol),
  mode: row(oneOf(['frames', 'bytes'])),
  passStatus: row(checkBoolean),
} as const satisfies Rows<Host>;

/** `process.env` gives undefined for an unset variable, and Number() turns undefined into NaN. */
export const UNSET_VARIABLE = '; is the environment variable set?';

const checkPortNumber = wholeNumber(1, 65_535);

function checkHost(value: unknown, name: OptionRef): void {
  checkText(value, name);
  if (/^\[.*\]$/.test(value as string)) fail(name, 'must be an IPv6 address without brackets', value);
  // Messages show the host: "getaddrinfo ENOTFOUND ann:secret@desk".
  if (/^[^/].*@/s.test(value as string)) fail(name, 'must be a name or an address, without a user', '***');
  // getaddrinfo() ends a name at NUL: another host would be dialled than the one shown.
  if ((value as string).includes('\0')) fail(name, 'must be a name or an address', value);
  if (isIP(value as string) === 0) checkHostName(value as string, name);
}

function checkPort(value: unknown, name: OptionRef): void {
  if (typeof value === 'string')
    fail(
      name,
      'must be a whole number from 1 to 65535',
      value,
      '; environment variables are text: Number(process.env.VNC_PORT) is a number',
    );
  if (Number.isNaN(value)) fail(name, 'must be a whole number from 1 to 65535', value, UNSET_VARIABLE);
  checkPortNumber(value, name);
}

/** Checks the path of a socket, also a path given as `host`. */
export function checkSocket(value: unknown, name: OptionRef): void {
  checkText(value, name);
  const fault = targetPathFault(value as string);
  if (fault !== undefined) fail(name, fault, value);
}

function checkTls(value: unknown, name: OptionRef): void {
  if (typeof value === 'boolean' || (typeof value === 'object' && value !== null && !Array.isArray(value)))
    return;
  fail(name, "must be true, false or the options of Node's tls.connect", value);
}

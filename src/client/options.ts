import type { OutgoingHttpHeaders } from 'node:http';
import type { ConnectionOptions } from 'node:tls';
import { fail } from '../options/checks/fail.js';
import { checkNames, OPTIONS_OBJECT } from '../options/checks/names.js';
import type { OptionRef } from '../options/checks/option-path.js';
import { readSecureContext } from '../options/checks/secure-context.js';
import { checkText } from '../options/checks/basic.js';
import {
  checksOf,
  fill,
  numberRow,
  row,
  secondsRow,
  wordRow,
  type Filled,
  type Rows,
} from '../options/row.js';
import { RULE_OPTIONS } from '../options/rule-options.js';
import { LIMIT_OPTIONS } from '../options/tunnel-options.js';
import { checkSubprotocol } from '../options/checks/handshake.js';
import { checkHost, headersOf } from './handshake/handshake-headers.js';
import type { ProxyRoute } from './proxy/proxy-route.js';
import { readProxy } from './proxy/read-proxy.js';
import type { ConnectOptions, ListenOptions } from './client-types.js';
import { readTunnelUrl, type TunnelUrl } from './url/tunnel-url.js';

/** The options of `connect()`, with their defaults. Times in seconds. */
export const CLIENT_OPTIONS = {
  // headersOf() checks the headers while reading them.
  headers: row(checkObject),
  hostHeader: row(checkHost),
  cookies: row((value, name) => {
    if (typeof value !== 'string') checkObject(value, name);
  }),
  bearer: row(checkSecret),
  basic: row(checkLogin),
  // The name for bytes of noVNC and websockify; lighttpd answers `binary`, offered or not.
  subprotocol: row(checkSubprotocol, 'binary'),
  origin: row(checkText),
  tls: row(checkTls),
  // readProxy() checks the proxy while reading it.
  proxy: row(() => undefined),
  proxyTls: row(checkTls),
  proxyMode: wordRow(['connect', 'forward'], 'connect'),
  // The same time that a server allows for a slow login and a sleeping backend.
  connectTimeout: RULE_OPTIONS.handshakeTimeout,
  // The same rows as for the server, for the same reasons.
  pingInterval: RULE_OPTIONS.pingInterval,
  pongTimeout: RULE_OPTIONS.pongTimeout,
  closeTimeout: RULE_OPTIONS.closeTimeout,
  drainTimeout: RULE_OPTIONS.drainTimeout,
  buffered: LIMIT_OPTIONS.buffered,
  signal: row((value, name) => {
    if (!(value instanceof AbortSignal)) fail(name, 'must be an AbortSignal', value);
  }),
} as const satisfies Rows<ConnectOptions>;

/** The options of `listen()`. */
export const LISTENER_OPTIONS = {
  ...CLIENT_OPTIONS,
  // A restarting server is back within this time, and a person is still willing to wait.
  retryFor: secondsRow(0, 86_400, 15),
  // A person does not notice this pause.
  retryDelay: secondsRow(0.001, 30, 0.5),
  maxTunnels: numberRow(0, 1_000_000, 0),
} as const satisfies Rows<ListenOptions>;

const CLIENT_CHECKS = checksOf(CLIENT_OPTIONS);
const LISTENER_CHECKS = checksOf(LISTENER_OPTIONS);

type FilledOptions = Filled<ConnectOptions, typeof CLIENT_OPTIONS>;

/** The options for one tunnel, checked and with their defaults. */
export interface ConnectSettings extends Pick<
  FilledOptions,
  'connectTimeout' | 'pingInterval' | 'pongTimeout' | 'closeTimeout' | 'drainTimeout' | 'buffered'
> {
  readonly target: TunnelUrl;
  readonly headers: OutgoingHttpHeaders;
  readonly subprotocols: readonly string[];
  readonly tls: ConnectionOptions;
  readonly proxy: ProxyRoute | undefined;
  readonly signal: AbortSignal | undefined;
}

/** The settings of a listener. */
export interface ListenSettings
  extends
    ConnectSettings,
    Pick<Filled<ListenOptions, typeof LISTENER_OPTIONS>, 'retryFor' | 'retryDelay' | 'maxTunnels'> {}

/** Throws {@link TunnelError} WSTUNNEL_OPTION that names the option, the value and the way out. */
export function readConnect(url: string | URL, options: ConnectOptions): ConnectSettings {
  checkNames(options, OPTIONS_OBJECT, CLIENT_CHECKS);
  return settingsOf(url, options);
}

/** Like {@link readConnect}, for a listener. */
export function readListen(url: string | URL, options: ListenOptions): ListenSettings {
  checkNames(options, OPTIONS_OBJECT, LISTENER_CHECKS);
  const { retryFor, retryDelay, maxTunnels } = fill(options, LISTENER_OPTIONS);
  return Object.freeze({ ...settingsOf(url, options), retryFor, retryDelay, maxTunnels });
}

function settingsOf(url: string | URL, options: ConnectOptions): ConnectSettings {
  const target = readTunnelUrl(url);
  const filled = fill(options, CLIENT_OPTIONS);
  const subprotocols = [filled.subprotocol].flat();
  return Object.freeze<ConnectSettings>({
    target,
    headers: Object.freeze(headersOf(options, subprotocols, target)),
    subprotocols,
    tls: { ...options.tls },
    proxy: readProxy(options, target),
    connectTimeout: filled.connectTimeout,
    pingInterval: filled.pingInterval,
    pongTimeout: filled.pongTimeout,
    closeTimeout: filled.closeTimeout,
    drainTimeout: filled.drainTimeout,
    buffered: filled.buffered,
    signal: options.signal,
  });
}

function checkObject(value: unknown, name: OptionRef): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail(name, 'must be an object', typeof value);
}

function checkTls(value: unknown, name: OptionRef): void {
  checkObject(value, name);
  readSecureContext(value as ConnectionOptions, name);
}

function checkLogin(value: unknown, name: OptionRef): void {
  checkObject(value, name);
  checkNames(value, name, { username: checkSecret, password: checkSecret });
  const { username, password } = value as { username?: string; password?: string };
  // A colon would end the name (RFC 7617 section 2).
  if (username === undefined || password === undefined || username.includes(':'))
    fail(name, 'must have a username, without a colon, and a password', value);
}

/** The message never shows the value. */
function checkSecret(value: unknown, name: OptionRef): void {
  if (typeof value !== 'string') fail(name, 'must be a string', typeof value);
}

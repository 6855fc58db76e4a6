import type { OutgoingHttpHeaders } from 'node:http';
import type { ConnectionOptions } from 'node:tls';
import {
  fail,
  readNames,
  readNumber,
  readOneOf,
  readSeconds,
  readText,
  type Check,
} from '../options/checks.js';
import { readSecureContext } from '../options/secure-context.js';
import { DEFAULTS } from '../options/defaults.js';
import { checkHost, checkSubprotocol, headersOf } from './handshake/handshake-headers.js';
import type { ProxyRoute } from './proxy/proxy-route.js';
import { readProxy } from './proxy/read-proxy.js';
import type { ConnectOptions, ListenOptions } from './client-types.js';
import { readTunnelUrl, type TunnelUrl } from './url/tunnel-url.js';

/** The client's own defaults, in seconds. The rest are the server's. */
export const CLIENT_DEFAULTS = {
  /** As long as a server takes for a slow login and a sleeping backend. */
  connectTimeout: DEFAULTS.handshakeTimeout,
  pingInterval: DEFAULTS.pingInterval,
  pongTimeout: DEFAULTS.pongTimeout,
  closeTimeout: DEFAULTS.closeTimeout,
  drainTimeout: DEFAULTS.drainTimeout,
  buffered: DEFAULTS.buffered,
  proxyMode: 'connect',
  /** What noVNC and websockify call bytes; lighttpd answers with it, offered or not. */
  subprotocol: 'binary',
  /** A server that is restarted is back by then; a person still waits. */
  retryFor: 15,
  /** Not felt by a person. */
  retryDelay: 0.5,
  maxTunnels: 0,
} as const;

/** All that opens a tunnel, checked. */
export interface ConnectSettings {
  readonly target: TunnelUrl;
  readonly headers: OutgoingHttpHeaders;
  readonly subprotocols: readonly string[];
  readonly tls: ConnectionOptions;
  readonly proxy: ProxyRoute | undefined;
  readonly connectTimeout: number;
  readonly pingInterval: number;
  readonly pongTimeout: number;
  readonly closeTimeout: number;
  readonly drainTimeout: number;
  readonly buffered: number;
  readonly signal: AbortSignal | undefined;
}

/** And what a listener needs besides. */
export interface ListenSettings extends ConnectSettings {
  readonly retryFor: number;
  readonly retryDelay: number;
  readonly maxTunnels: number;
}

// An option without its check does not compile. (Exported for the test of the README's tables.)
export const CONNECT_OPTIONS: Readonly<Record<keyof ConnectOptions, Check>> = {
  // Checked where they are read (headers.ts, proxy.ts).
  headers: readObject,
  hostHeader: checkHost,
  cookies: (value, name) => {
    if (typeof value !== 'string') readObject(value, name);
  },
  bearer: readSecret,
  basic: readLogin,
  subprotocol: checkSubprotocol,
  origin: readText,
  tls: readTls,
  proxy: () => undefined,
  proxyTls: readTls,
  proxyMode: readOneOf(['connect', 'forward']),
  connectTimeout: readSeconds(0.001, 300),
  pingInterval: readSeconds(0, 900),
  pongTimeout: readSeconds(0, 300),
  closeTimeout: readSeconds(0.001, 300),
  drainTimeout: readSeconds(0.001, 86_400),
  buffered: readNumber(64 * 1024, 1024 ** 3),
  signal: (value, name) => {
    if (!(value instanceof AbortSignal)) fail(name, 'must be an AbortSignal', value);
  },
};

export const LISTEN_OPTIONS: Readonly<Record<keyof ListenOptions, Check>> = {
  ...CONNECT_OPTIONS,
  retryFor: readSeconds(0, 86_400),
  retryDelay: readSeconds(0.001, 30),
  maxTunnels: readNumber(0, 1_000_000),
};

/** Throws {@link TunnelError} WSTUNNEL_OPTION with the option, the value and the way out. */
export function readConnect(url: string | URL, options: ConnectOptions): ConnectSettings {
  readNames(options, 'options', CONNECT_OPTIONS);
  return settingsOf(url, options);
}

/** The same for a listener. */
export function readListen(url: string | URL, options: ListenOptions): ListenSettings {
  readNames(options, 'options', LISTEN_OPTIONS);
  return Object.freeze({
    ...settingsOf(url, options),
    retryFor: options.retryFor ?? CLIENT_DEFAULTS.retryFor,
    retryDelay: options.retryDelay ?? CLIENT_DEFAULTS.retryDelay,
    maxTunnels: options.maxTunnels ?? CLIENT_DEFAULTS.maxTunnels,
  });
}

function settingsOf(url: string | URL, options: ConnectOptions): ConnectSettings {
  const target = readTunnelUrl(url);
  const subprotocols = [options.subprotocol ?? CLIENT_DEFAULTS.subprotocol].flat();
  return Object.freeze<ConnectSettings>({
    target,
    headers: Object.freeze(headersOf(options, subprotocols, target)),
    subprotocols,
    tls: { ...options.tls },
    proxy: readProxy(options, target),
    connectTimeout: options.connectTimeout ?? CLIENT_DEFAULTS.connectTimeout,
    pingInterval: options.pingInterval ?? CLIENT_DEFAULTS.pingInterval,
    pongTimeout: options.pongTimeout ?? CLIENT_DEFAULTS.pongTimeout,
    closeTimeout: options.closeTimeout ?? CLIENT_DEFAULTS.closeTimeout,
    drainTimeout: options.drainTimeout ?? CLIENT_DEFAULTS.drainTimeout,
    buffered: options.buffered ?? CLIENT_DEFAULTS.buffered,
    signal: options.signal,
  });
}

function readObject(value: unknown, name: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail(name, 'must be an object', typeof value);
}

function readTls(value: unknown, name: string): void {
  readObject(value, name);
  readSecureContext(value as ConnectionOptions, name);
}

function readLogin(value: unknown, name: string): void {
  readObject(value, name);
  readNames(value, name, { username: readSecret, password: readSecret });
  const { username, password } = value as { username?: string; password?: string };
  // A colon would end the name (RFC 7617 section 2).
  if (username === undefined || password === undefined || username.includes(':'))
    fail(name, 'must have a username, without a colon, and a password', value);
}

/** Never shown. */
function readSecret(value: unknown, name: string): void {
  if (typeof value !== 'string') fail(name, 'must be a string', typeof value);
}

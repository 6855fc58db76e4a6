import type { ConnectionOptions } from 'node:tls';

/** Options of a tunnel. Times in seconds, sizes in bytes. */
export interface ConnectOptions {
  /** Additional headers of the handshake. Headers that the handshake sets itself (`Host`, `Upgrade`, `Sec-WebSocket-*` ...) are refused. */
  headers?: Readonly<Record<string, string | readonly string[]>>;
  /**
   * The `Host` header, where the server's name differs from the name or address in the URL: `desk.example.com`, with or without a
   * port. Default: the URL's host. For TLS see `tls.servername`. Not with `proxyMode: 'forward'`.
   */
  hostHeader?: string;
  /** Names and values, or the whole `Cookie` header. */
  cookies?: Readonly<Record<string, string>> | string;
  /** `Authorization: Bearer ...`. */
  bearer?: string;
  /** `Authorization: Basic ...`; the same as a user and password in the URL. */
  basic?: { readonly username: string; readonly password: string };
  /** The subprotocols to offer; the server chooses one or none. An empty list offers none. Default `'binary'`. */
  subprotocol?: string | readonly string[];
  /** The `Origin` header, for servers that admit only pages of certain origins. */
  origin?: string;
  /**
   * For `wss:`, the options of `tls.connect`: `ca`, `cert`, `key`, `servername`, `rejectUnauthorized` ... Certificates and keys are
   * checked at once; a `ca` without a certificate in PEM format throws.
   */
  tls?: ConnectionOptions;
  /**
   * The URL of an HTTP proxy, with a percent-encoded user and password if the proxy requires a login; `host:port` is
   * `http://host:port`; `false` for no proxy. Default: by the environment's HTTPS_PROXY (for `wss:`) or HTTP_PROXY (for `ws:`),
   * ALL_PROXY and NO_PROXY, in lower or upper case.
   */
  proxy?: string | URL | false;
  /** Options of `tls.connect` for a proxy with an `https:` URL. */
  proxyTls?: ConnectionOptions;
  /**
   * How the proxy is used. `'connect'` (the default): a CONNECT request asks the proxy for a tunnel. `'forward'`, for `ws:` only:
   * the handshake is sent to the proxy, which must support upgrades and can read all bytes.
   */
  proxyMode?: 'connect' | 'forward';
  /** Seconds for name resolution, proxy, TLS and handshake together. Default 30. */
  connectTimeout?: number;
  /** Seconds between PINGs; 0 for no PINGs. Default 30. */
  pingInterval?: number;
  /**
   * Seconds after a PING without a byte from the server until the tunnel ends; 0 for never. Bytes sent before the PING extend the
   * time: the line is assumed to carry at least 4 kB/s, for at most 45 times `pongTimeout` and 15 minutes. Default 20.
   */
  pongTimeout?: number;
  /**
   * Seconds for the server to answer a Close and end the connection, while no bytes move. Each byte that moves restarts the time,
   * and bytes under way add up to 30 times `closeTimeout`. Default 10.
   */
  closeTimeout?: number;
  /** Seconds from the Close until the tunnel ends even if bytes still move; if bytes are missing, with an error. Default 900. */
  drainTimeout?: number;
  /** Queued bytes per direction above which reading pauses. Default 1 MiB. */
  buffered?: number;
  /** Aborts the attempt, or destroys the open tunnel. */
  signal?: AbortSignal;
}

/** Options of a local port. Times in seconds. */
export interface ListenOptions extends ConnectOptions {
  /**
   * Seconds for which a local connection repeats its attempts while the server can't be reached (or answers 429, 502, 503 or 504);
   * 0 for one attempt only. Default 15.
   */
  retryFor?: number;
  /**
   * Seconds: upper limit of the first pause between attempts. The limit doubles with each pause, up to 30; each pause has a random
   * length. Default 0.5.
   */
  retryDelay?: number;
  /** Most local connections at once; the listener resets further ones. 0 for no limit. Default 0. */
  maxTunnels?: number;
}

/**
 * The address at which `listen` listens: a TCP port on loopback, an address (`''` is every address) and port, or the path of a
 * unix socket.
 */
export type LocalAddress = number | string | { host?: string; port: number } | { path: string };

/** A tunnel of a listener, at the time of the event. */
export interface LocalTunnel {
  readonly id: number;
  /** Epoch milliseconds: when the local connection was accepted. */
  readonly since: number;
  /** From the local program to the server. */
  readonly bytesOut: number;
  /** From the server to the local program. */
  readonly bytesIn: number;
}

/** The end of a tunnel of a listener. */
export interface LocalTunnelEnd extends LocalTunnel {
  /** The code of the first Close in either direction; 1006 where the connection was lost. */
  readonly code: number;
  readonly reason: string;
  /** Seconds. */
  readonly duration: number;
}

/** Counts of a listener since its start; `open` counts the tunnels that are open now. */
export interface ListenerStats {
  readonly open: number;
  readonly opened: number;
  readonly failed: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

import type { ConnectionOptions } from 'node:tls';

/** Options of a tunnel. Times in seconds, sizes in bytes. */
export interface ConnectOptions {
  /** Additional headers of the handshake. Headers that it sets itself (`Host`, `Upgrade`, `Sec-WebSocket-*` ...) are refused. */
  headers?: Readonly<Record<string, string | readonly string[]>>;
  /**
   * The `Host` header, for a server that is reached by another name or address than the name it serves: `desk.example.com`, with or
   * without a port. Default: the URL's host. For TLS see `tls.servername`. Not with `proxyMode: 'forward'`.
   */
  hostHeader?: string;
  /** Names and values, or the whole `Cookie` header. */
  cookies?: Readonly<Record<string, string>> | string;
  /** `Authorization: Bearer ...`. */
  bearer?: string;
  /** `Authorization: Basic ...`; the same as a user and password in the URL. */
  basic?: { readonly username: string; readonly password: string };
  /** Offered subprotocols, of which the server chooses one or none. An empty list offers none. Default `'binary'`. */
  subprotocol?: string | readonly string[];
  /** The `Origin` header, for servers that admit only pages of certain origins. */
  origin?: string;
  /**
   * For `wss:`, the options of `tls.connect`: `ca`, `cert`, `key`, `servername`, `rejectUnauthorized` ... Certificates and keys are
   * checked at once; a `ca` without a certificate in PEM format throws.
   */
  tls?: ConnectionOptions;
  /**
   * The URL of an HTTP proxy, with user and password (percent-encoded) if the proxy requires them; `host:port` is
   * `http://host:port`; `false` for no proxy. Default: by HTTPS_PROXY (for `wss:`) or HTTP_PROXY (for `ws:`), ALL_PROXY and NO_PROXY,
   * which may be in lower case.
   */
  proxy?: string | URL | false;
  /** Options of `tls.connect` for a proxy with an `https:` URL. */
  proxyTls?: ConnectionOptions;
  /**
   * How the proxy is used. `'connect'` (the default): the proxy is asked for a tunnel by CONNECT. `'forward'`, for `ws:` only: the
   * handshake is sent to the proxy, which must support upgrades and can read all bytes.
   */
  proxyMode?: 'connect' | 'forward';
  /** For name resolution, proxy, TLS and handshake together. Default 30. */
  connectTimeout?: number;
  /** Seconds between PINGs; 0 for no PINGs. Default 30. */
  pingInterval?: number;
  /**
   * The tunnel ends when the server sends nothing for this time after a PING; 0 for never. Bytes sent before the PING extend the
   * time: a line is assumed to carry at least 4 kB/s, for at most 45 times `pongTimeout` and 15 minutes. Default 20.
   */
  pongTimeout?: number;
  /**
   * Time for the server to answer a Close and end the connection, while no bytes move. It restarts with each byte that moves,
   * and bytes under way extend it, up to 30 times. Default 10.
   */
  closeTimeout?: number;
  /** Seconds after the Close until the tunnel ends even if bytes still move; with an error if bytes are missing. Default 900. */
  drainTimeout?: number;
  /** Queued bytes per direction above which reading pauses. Default 1 MiB. */
  buffered?: number;
  /** Aborts the attempt, or destroys the open tunnel. */
  signal?: AbortSignal;
}

/** Options of a local port. Times in seconds. */
export interface ListenOptions extends ConnectOptions {
  /**
   * How long attempts are repeated for a local connection while the server can't be reached (or answers 429, 502, 503 or 504); 0 for
   * one attempt only. Default 15.
   */
  retryFor?: number;
  /** The longest first pause between attempts. The limit doubles with each pause, up to 30; the pause has a random length. Default 0.5. */
  retryDelay?: number;
  /** Most local connections at once; further ones are reset. 0 for no limit. Default 0. */
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

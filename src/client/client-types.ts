import type { ConnectionOptions } from 'node:tls';

/** How a tunnel is opened. Times in seconds, sizes in bytes. */
export interface ConnectOptions {
  /** More headers of the handshake. Its own (`Host`, `Upgrade`, `Sec-WebSocket-*` ...) can't be set. */
  headers?: Readonly<Record<string, string | readonly string[]>>;
  /**
   * The `Host` header, where the server is reached by another name or address than the one that it serves: `desk.example.com` or
   * with a port. Default: the URL's host. For TLS see `tls.servername`. Not with `proxyMode: 'forward'`.
   */
  hostHeader?: string;
  /** Names and values, or the header as it is. */
  cookies?: Readonly<Record<string, string>> | string;
  /** `Authorization: Bearer ...`. */
  bearer?: string;
  /** `Authorization: Basic ...`; a user and password in the URL do the same. */
  basic?: { readonly username: string; readonly password: string };
  /** What is offered: the server takes one or none. An empty list offers none. Default `'binary'`. */
  subprotocol?: string | readonly string[];
  /** The `Origin` header, for servers that let only their own pages in. */
  origin?: string;
  /**
   * For `wss:`, all of `tls.connect`'s options: `ca`, `cert`, `key`, `servername`, `rejectUnauthorized` ... Certificates and keys are
   * checked at once; a `ca` without a certificate in PEM form throws.
   */
  tls?: ConnectionOptions;
  /**
   * The HTTP proxy, with user and password (percent-encoded) if it wants them; `host:port` is `http://host:port`; `false` for
   * none. Default: what HTTPS_PROXY (for `wss:`) or HTTP_PROXY (for `ws:`), ALL_PROXY and NO_PROXY say, in lower case as well.
   */
  proxy?: string | URL | false;
  /** Options of `tls.connect` for a proxy that is spoken to over TLS (`https:`). */
  proxyTls?: ConnectionOptions;
  /**
   * How the proxy is asked. `'connect'` (the default): for a tunnel, by CONNECT. `'forward'`: the handshake itself is sent to
   * it, for `ws:` only: the proxy must understand upgrades, and sees everything.
   */
  proxyMode?: 'connect' | 'forward';
  /** Name resolution, proxy, TLS and handshake together. Default 30. */
  connectTimeout?: number;
  /** Seconds between PINGs; 0 for none. Default 30. */
  pingInterval?: number;
  /**
   * A server silent for so long after a PING is cut off; 0 for never. Bytes that were sent before the PING lengthen it: a
   * line is taken to carry 4 kB/s at least, for up to 45 times `pongTimeout` and 15 minutes. Default 20.
   */
  pongTimeout?: number;
  /**
   * What the server has to answer a Close and end the connection, as long as no bytes move. It starts anew with each that
   * does, and bytes under way lengthen it, up to 30 times. Default 10.
   */
  closeTimeout?: number;
  /** Seconds after the Close when the tunnel ends though bytes still move; with an error where some are missing. Default 900. */
  drainTimeout?: number;
  /** Bytes waiting per direction above which reading pauses. Default 1 MiB. */
  buffered?: number;
  /** Aborts the attempt, or destroys the open tunnel. */
  signal?: AbortSignal;
}

/** How a local port is served. Times in seconds. */
export interface ListenOptions extends ConnectOptions {
  /**
   * For so long a local connection waits for a server that can't be reached (or says 429, 502, 503, 504), while attempts are
   * repeated; 0 for one attempt only. Default 15.
   */
  retryFor?: number;
  /** The first pause between attempts; each is twice the one before, up to 30, of which a random part is waited. Default 0.5. */
  retryDelay?: number;
  /** Most local connections at once; more are turned away. 0 for no limit. Default 0. */
  maxTunnels?: number;
}

/**
 * Where {@link listen} listens: a TCP port on loopback, an address (`''` is every address) and port, or the path of a unix
 * socket.
 */
export type LocalAddress = number | string | { host?: string; port: number } | { path: string };

/** A tunnel of a listener, at the time of the event. */
export interface LocalTunnel {
  readonly id: number;
  /** Epoch milliseconds: when the local connection came. */
  readonly since: number;
  /** From the local program to the server. */
  readonly bytesOut: number;
  /** From the server to the local program. */
  readonly bytesIn: number;
}

/** How a tunnel of a listener ended. */
export interface LocalTunnelEnd extends LocalTunnel {
  /** The Close that came or was sent first; 1006 where the connection was lost. */
  readonly code: number;
  readonly reason: string;
  /** Seconds. */
  readonly duration: number;
}

/** What a listener has done so far. */
export interface ListenerStats {
  readonly open: number;
  readonly opened: number;
  readonly failed: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

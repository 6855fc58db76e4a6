import type { EventEmitter } from 'node:events';
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { Http2SecureServer, Http2Server } from 'node:http2';
import type { Server as HttpsServer } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import type { TunnelError } from './errors.js';

/** Express's `next`. */
export type Next = (err?: unknown) => void;

/** Given to asynchronous hooks. */
export interface HookContext {
  /** Aborted when the client is gone, `handshakeTimeout` is over, or the tunnel is being closed. */
  readonly signal: AbortSignal;
}

/** Where a backend listens (lighttpd: one entry of `wstunnel.server`). All times in seconds. */
export interface Host {
  /**
   * Name or address, resolved at each dial; one that begins with `/` is a `socket`. Of several addresses the first that
   * answers is taken: every 250 ms the next one is tried as well (RFC 8305). Default `127.0.0.1`.
   */
  host?: string;
  /** TCP port, 1 to 65535. Required unless `socket` is given. */
  port?: number;
  /** Path of a unix socket; excludes `host` and `port` (lighttpd: `socket`). `@name` is an abstract one, on Linux. */
  socket?: string;
  /**
   * TLS towards the backend: `true`, or the options of Node's `tls.connect` (`ca`, `cert`, `key`, `servername`,
   * `checkServerIdentity`, ...). The certificate is checked against `host` unless `rejectUnauthorized` is false. Default false.
   */
  tls?: boolean | ConnectionOptions;
  /** Seconds until a connection attempt, TLS included, is given up. Default 8 (lighttpd: `connect-timeout`). */
  connectTimeout?: number;
  /**
   * Seconds for which a host that failed is left out, while another one is up. Where none is, one request every half second
   * tries it all the same. Default 1; 0 never leaves it out (lighttpd: `disable-time`).
   */
  disableTime?: number;
  /** Seconds that the backend may be silent: Close 1011. Default 0, for ever (lighttpd: `read-timeout`). */
  readTimeout?: number;
  /** Seconds that it may take nothing of what waits for it: Close 1011. Default 0 (lighttpd: `write-timeout`). */
  writeTimeout?: number;
  /** Most tunnels at this host at once. Default 0, no limit. */
  maxTunnels?: number;
  /** Its share beside the others, 1 to 100. Default 1. */
  weight?: number;
  /** Used only while no other host is up. Default false. */
  backup?: boolean;
  /** TCP_NODELAY. Default true: keystrokes must not wait for Nagle. */
  noDelay?: boolean;
  /** Seconds of silence before TCP keep-alive probes. Default 60; 0 is off. */
  keepAlive?: number;
  /** Local address to connect from; of a name only addresses of its family are tried. */
  localAddress?: string;
  /** In place of `dns.lookup`. */
  lookup?: LookupFunction;
  /**
   * The PROXY protocol's version in which the backend is told who the client is, before anything else: 1 is text, 2 binary. The
   * address is that of `clientAddress`. Default: none.
   */
  proxyProtocol?: 1 | 2;
  /**
   * An in-process backend in place of an address: called for each tunnel, gives a Duplex of bytes of its own, for example a
   * channel of an SSH client. A throw is a backend that can't be reached (502).
   */
  connect?: () => Duplex | Promise<Duplex>;
  /**
   * A program of the tunnel's own that listens there: started when it is needed, ended with the app (lighttpd: `bin-path`).
   * With neither `port` nor `socket` it listens on a unix socket in a folder that is the app's alone.
   */
  spawn?: SpawnOptions;
}

/**
 * Programs behind a host. Each process takes `maxLoadPerProc` tunnels; **one that is free takes whoever comes next**. For one
 * program per user let a `server` function return a host that names the user in `args` or `environment`: equal `spawn`
 * options share their processes, others never do.
 *
 * By default the program gets its listening socket as descriptor 0 (lighttpd). One that listens itself is told where:
 * `{socket}`, `{host}` and `{port}` in `args` and in the values of `environment`, or WSTUNNEL_SOCKET, WSTUNNEL_HOST and
 * WSTUNNEL_PORT. In a host that a `server` function returns they are filled in up to the first text with `{socket}` or
 * `{port}`, of `args` and then of `environment`: a user's name goes behind that one. With `handOver: true` all texts stay as they are.
 *
 * It must stay in the foreground: when it ends, all that it has started is ended as well.
 */
export interface SpawnOptions {
  /** The program: an absolute path, or a name to look for in PATH (lighttpd: `bin-path`). */
  path: string;
  args?: readonly string[];
  /** Variables of its environment (lighttpd: `bin-environment`). */
  environment?: Readonly<Record<string, string>>;
  /**
   * Names of the app's variables that it gets as well (lighttpd: `bin-copy-environment`). Default: PATH, HOME, USER, LOGNAME,
   * SHELL, LANG, LC_ALL, LC_CTYPE, TZ, TMPDIR. Never all of them: the app's secrets are there.
   */
  copyEnvironment?: readonly string[];
  /** Processes kept running, from the start on. Default 0 (lighttpd: `min-procs`, 4). */
  minProcs?: number;
  /** Most processes at once. Default 4 (lighttpd: `max-procs`). */
  maxProcs?: number;
  /** Most tunnels of one process; 0 is no limit. Default 1 (lighttpd: `max-load-per-proc`). */
  maxLoadPerProc?: number;
  /**
   * Seconds after which a process without tunnels is ended, unless `minProcs` keeps it. Default 60 (lighttpd: `idle-timeout`).
   * With 0 it ends with its last tunnel, and nobody gets a process that another has used.
   */
  idleTimeout?: number;
  /** What it is asked to end with; five seconds later it is killed. Default `SIGTERM` (lighttpd: `kill-signal`). */
  killSignal?: string;
  /** Connections that may wait at a socket that is handed over. Default 1024 (lighttpd: `listen-backlog`). */
  listenBacklog?: number;
  /**
   * The listening socket becomes the program's descriptor 0. Default: true, unless `args` or `environment` name the address,
   * by a placeholder or as it is: then the program listens itself.
   */
  handOver?: boolean;
}

/** One host's state, as a strategy and `stats()` see it. */
export interface HostState {
  /** `host:port`, `unix:/path`, `stream:1` for an in-process backend, or `spawn:program#1f2e3d` for one without address. */
  readonly id: string;
  readonly host: Readonly<Host>;
  /** Tunnels assigned to it, counted from the moment it is picked: connecting counts. */
  readonly load: number;
  /** False for `disableTime` after a failed connection. */
  readonly up: boolean;
}

/** What a strategy may look at. */
export interface BalanceRequest<Req> {
  readonly req: Req;
  /** The client's address, as `clientAddress` gives it. */
  readonly address: string;
  /** Path of the original URL, without the query. */
  readonly path: string;
  /** The request's Host, as sent. */
  readonly authority: string;
  /** The whole list in its order, with those that are down or full. The same array for the same list of the options. */
  readonly all: readonly HostState[];
  /** The result of the option `stickyKey`, else the client's address. Throws what the option throws. */
  stickyKey(): string;
}

/** lighttpd's values of `wstunnel.balance`. */
export type BalanceName = 'fair' | 'least-connection' | 'round-robin' | 'hash' | 'sticky';

/**
 * Picks a backend (lighttpd: `wstunnel.balance`). One object serves one tunnel for its whole life.
 *
 * The hosts given to `pick` are up (or, where none is, due to be tried again) and below their `maxTunnels`, and never an empty
 * list. Returning anything else than one of them refuses the
 * request with 503; a throw refuses it with 500; a promise that does not settle ends with `handshakeTimeout`.
 */
export interface BalanceStrategy<Req = IncomingMessage> {
  pick(
    hosts: readonly HostState[],
    request: BalanceRequest<Req>,
  ): HostState | undefined | Promise<HostState | undefined>;
  /** A tunnel was assigned to the host; it is not yet connected. */
  opened?(host: HostState): void;
  /** That tunnel is over, or never came to be. Called exactly once for each `opened`. */
  closed?(host: HostState): void;
}

/**
 * lighttpd's map: a key that begins with `/` is the beginning of a path and ends at a segment (`/vnc` is `/vnc` and `/vnc/x`, not
 * `/vncx`), another is its end, `""` is every path. The first key that fits counts; where none does, the request goes to
 * `next()`.
 */
export type HostMap = Readonly<Record<string, Host | readonly Host[]>> & {
  // By these a host is told from a map, in which any name may stand: a misspelt option of a host does not compile.
  readonly [option in keyof Host]?: never;
};

/** One host, a list, lighttpd's map, or a function of the request; `undefined` from the function is a 404. */
export type ServerOption<Req> =
  Host | readonly Host[] | HostMap | ((req: Req, context: HookContext) => Target | Promise<Target>);

/**
 * What a `server` function returns. Hosts keep their state (load, up) by address, not by object. A Duplex is an in-process
 * backend for this one tunnel.
 */
export type Target = Host | readonly Host[] | Duplex | undefined;

/** `true` passes; an object refuses with that answer; anything else refuses with 401. */
export type AuthResult =
  | boolean
  | undefined
  | {
      /** 400 to 599. */
      status: number;
      headers?: Record<string, string>;
      /** Sent as text/plain unless `headers` say otherwise. */
      body?: string;
    };

/**
 * Answers a refusal. Written as a method, whose parameters TypeScript compares loosely: in an Express app `res` is
 * Express's own and may be declared as such.
 */
interface Refuser<Req> {
  refuse(refusal: TunnelError, req: Req, res: ServerResponse, next: Next): unknown;
}

/** What is matched against `url`: a RegExp (no `g` or `y`) or a path prefix that ends on a segment boundary. */
export type UrlPattern = RegExp | string;

/**
 * What a text must be, by lighttpd's operators. A string is `equals`, a RegExp (no `g` or `y`) is `matches`, a list is any of
 * these; of an object all must hold.
 */
export type TextMatch =
  | string
  | RegExp
  | readonly (string | RegExp)[]
  | {
      /** lighttpd: `==`. A list: any of them. */
      equals?: string | readonly string[];
      /** lighttpd: `!=`. A list: none of them. */
      notEquals?: string | readonly string[];
      /** lighttpd: `=~`. */
      matches?: RegExp;
      /** lighttpd: `!~`. */
      notMatches?: RegExp;
      /** lighttpd: `=^`. */
      startsWith?: string;
      /** lighttpd: `=$`. */
      endsWith?: string;
    };

/** When a rule applies. All that is named must hold; a header, host or query that is missing is the empty text. */
export interface Condition {
  /**
   * The path within the mount, without query, as it was sent (lighttpd: `$HTTP["url"]`, which is decoded). A string is the
   * whole path. A rule that takes something away from a path does not see it as `/desk/%61dmin` or `/desk//admin`: let
   * rules open what is shut, or refuse such paths before the tunnel.
   */
  url?: TextMatch;
  /**
   * The request's Host, in lower case and without a final dot; without a port it is that host on any port (lighttpd:
   * `$HTTP["host"]`). The client writes it, as `query` and `headers`: it guards nothing.
   */
  host?: TextMatch;
  /**
   * The client's address; strings are addresses and CIDR ranges (lighttpd: `$HTTP["remoteip"]`). By `clientAddress` where the
   * tunnel itself, not only a rule, has it.
   */
  remoteAddress?: TextMatch;
  /** The query without its `?`, undecoded (lighttpd: `$HTTP["querystring"]`). */
  query?: TextMatch;
  /** `'https'` where the connection, or a trusted proxy, is secure (lighttpd: `$HTTP["scheme"]`). */
  scheme?: 'http' | 'https';
  /**
   * The port of this server that the connection came to, or a list of ports (lighttpd: `$SERVER["socket"]`). On a unix socket no
   * port holds. Behind a proxy the port is the one that the proxy connects to.
   */
  localPort?: number | readonly number[];
  /** Request headers by name (lighttpd: `$REQUEST_HEADER["..."]`). */
  headers?: Readonly<Record<string, TextMatch>>;
  /** Every one of these holds. */
  all?: readonly Condition[];
  /** At least one of these holds. */
  any?: readonly Condition[];
  /** This one does not hold. */
  not?: Condition;
}

/** Options for some of the requests (lighttpd: what stands in a condition's braces). */
export interface Rule<Req extends IncomingMessage = IncomingMessage> extends RuleOptions<Req> {
  /** As the tunnel's own `url`; with `when`, both must hold. Default: every path. */
  url?: UrlPattern | readonly UrlPattern[];
  /** What else must hold. Default: nothing. */
  when?: Condition;
  /** Rules within this one, after its own options. */
  rules?: readonly Rule<Req>[];
  /** What applies instead where `url` and `when` don't hold (lighttpd: `else`). */
  else?: Rule<Req>;
}

/** The options that a rule may give as well. A rule replaces option by option; nothing is merged inside one. */
export interface RuleOptions<Req extends IncomingMessage = IncomingMessage> {
  /** Where to (lighttpd: `wstunnel.server`). Without it every request goes to `next()`. */
  server?: ServerOption<Req>;
  /**
   * Which backend (lighttpd: `wstunnel.balance`). `'fair'`, the default, and `'least-connection'`: the lowest load for its
   * weight. `'round-robin'`: in turn. `'hash'`: by Host and path. `'sticky'`: by `stickyKey`. The last two keep their host
   * for a key, and when one dies only its keys move (rendezvous hashing).
   */
  balance?: BalanceName | BalanceStrategy<Req>;
  /** What `balance: 'sticky'` sticks to. Default: the client's address. */
  stickyKey?: (req: Req) => string;
  /** Path endings and the key of `server`'s map that each stands for (lighttpd: `wstunnel.map-extensions`). */
  mapExtensions?: Readonly<Record<string, string>>;
  /**
   * Opcode of the frames sent to the client (lighttpd: `wstunnel.frame-type`). Default `'binary'`; an offered
   * subprotocol `binary` forces binary. In text mode frames are cut on UTF-8 boundaries.
   */
  frameType?: 'binary' | 'text';
  /**
   * Chooses the subprotocol of the answer (RFC 6455 section 4.2.2); it must be one of those offered. Default: `binary`
   * when offered, else none.
   */
  subprotocol?: (offered: ReadonlySet<string>, req: Req) => string | undefined;
  /**
   * Which web pages may open a tunnel (lighttpd: `wstunnel.origins`).
   *
   * `'same'`, the default: the Origin's host and port equal the request's, or those of a trusted proxy's
   * `X-Forwarded-Host` and `X-Forwarded-Port`; the scheme counts only where the request is known to be secure. `'*'`:
   * any. A list: `'https://a.b'`, `'a.b'`, `'*.a.b'` (its subdomains), or a RegExp against the whole origin (anchor it).
   * Entries of other schemes are compared letter by letter: `'tauri://localhost'`, `'file://'`, `'chrome-extension://id'`.
   * `'null'` is the origin of sandboxed frames and of local files: any site can have it.
   *
   * Under `'same'`, where the server listens on loopback alone, a page of plain http whose host is a name other than `localhost` is
   * refused (DNS rebinding), unless the request has a proxy's header (`X-Forwarded-For` and its kind) or `trust proxy` trusts the peer:
   * list the origin, or set `trust proxy`.
   *
   * A request without Origin (a program, not a page) passes under `'same'` and `'*'` and is refused with 400 by a list.
   */
  origins?:
    | 'same'
    | '*'
    | readonly (string | RegExp)[]
    | ((origin: string | undefined, req: Req) => boolean | Promise<boolean>);
  /**
   * Client addresses and CIDR ranges that may have a tunnel. Default: all. An empty list is an error. Under `trust proxy: true`,
   * where clients write their own address, `allow` and `deny` refuse with 500 unless there is a `clientAddress`.
   */
  allow?: readonly string[];
  /** Client addresses and CIDR ranges that may not; wins over `allow`. */
  deny?: readonly string[];
  /**
   * The client's address. Default: `req.ip` where the app's `trust proxy` is set to something narrower than `true`,
   * else the socket's address. A port, brackets, quotes and a zone are cut off, and each address has one text (RFC 5952).
   */
  clientAddress?: (req: Req) => string | undefined;
  /**
   * Called after the app's own middleware and the address and origin checks. Only `true` passes. A throw or rejection
   * refuses the request with 500.
   */
  authenticate?: (req: Req, context: HookContext) => AuthResult | Promise<AuthResult>;
  /** The user's name, for events and `end()`. Default: Passport's `req.user`: its username, name, email or id. */
  user?: (req: Req) => string | undefined;
  /** Seconds between PINGs (lighttpd: `wstunnel.ping-interval`). Default 30; 0 for none. */
  pingInterval?: number;
  /**
   * A client silent for this many seconds after a PING is cut off. Bytes that were sent before the PING lengthen it: a line is
   * taken to carry 4 kB/s at least, for up to 45 times `pongTimeout` and 15 minutes. Default 20; 0 for no deadline.
   */
  pongTimeout?: number;
  /** Seconds from the tunnel's first sight of the request to the 101, hooks and dialling included. Default 30. */
  handshakeTimeout?: number;
  /** Seconds without payload either way: Close 1001. PINGs don't count. Default 0, for ever. */
  idleTimeout?: number;
  /** Seconds that a tunnel may be open: Close 1001. May be weeks. Default 0, for ever. */
  maxDuration?: number;
  /**
   * Seconds that client and backend have to finish once a Close is on its way, as long as no bytes move: it starts anew with
   * each that does. Bytes under way to the client lengthen it, at 4 kB/s, up to 30 times. A backend that has not accepted all
   * when the time is over is reset, and the tunnel's code is no orderly one. Default 10.
   */
  closeTimeout?: number;
  /** Seconds after the Close when the tunnel ends though bytes still move. Default 900. */
  drainTimeout?: number;
  /**
   * Seconds that a client may accept none of the bytes queued for it, PONGs or not: its connection is cut, code 1006. (A
   * host's own `writeTimeout` is for the backend.) Default 360; 0 for ever (lighttpd: `server.max-write-idle`).
   */
  writeTimeout?: number;
  /**
   * `'http'`, the default, refuses before the upgrade with a status. `'close'` upgrades, then closes with 4000 + status
   * and a reason, since browsers hide the status from the page.
   */
  refuseWith?: 'http' | 'close';
  /**
   * Answers a refusal in place of the plain default: render the app's own page or call `next(refusal)`. It must answer
   * or call `next` within `handshakeTimeout`; a throw is answered with 500.
   */
  onRefuse?: Refuser<Req>['refuse'];
}

/** The options of `wstunnel()`. Every time is in seconds, every size in bytes. */
export interface TunnelOptions<Req extends IncomingMessage = IncomingMessage> extends RuleOptions<Req> {
  /**
   * Which requests are the tunnel's (lighttpd: `$HTTP["url"] =~`), matched against the path of `req.url`: within the
   * mount, without query, undecoded, as Express's router does. Anything else goes to `next()`. Default: every path.
   *
   * A GET of such a path without `Upgrade: websocket` goes to `next()` as well, unless it is plain that nothing there would
   * answer it: then it gets 426 and one sentence. The path must be that of the mount or of `url`, and no later handler of the
   * Express or Connect app may match it.
   */
  url?: UrlPattern | readonly UrlPattern[];
  /**
   * Options for some of the requests: every rule that applies does so in order, later over earlier, option by option, as
   * lighttpd's conditions. A request that ends up without a `server` goes to `next()`.
   */
  rules?: readonly Rule<Req>[];
  limits?: {
    /** Most tunnels at once, 503 above it. Default 0, no limit. */
    total?: number;
    /** Most tunnels of one client address (of IPv6 one /64) at once, 429 above it. Default 0, no limit. */
    perClient?: number;
    /** Most bytes waiting in one direction of one tunnel before reading pauses. Default 1 MiB, at least 64 KiB. */
    buffered?: number;
    /**
     * Most requests on their way to a 101 at once (as sshd's MaxStartups), answered with `Retry-After` above it. `total`, or
     * a number: of all, counted from their arrival on, also in the app's own middleware; 503. `perClient`: of one client
     * address (of IPv6 one /64), counted once the tunnel knows it; 429. 0 is no limit. Default 1000 and 750.
     */
    opening?: number | { total?: number; perClient?: number };
  };
  /**
   * Log level on stderr (lighttpd: `wstunnel.debug`): 0 quiet (default), 1 errors, 2 warnings, 3 information, 4 and
   * more debug. `DEBUG=wstunnel:*` shows everything whatever the level.
   */
  debug?: number;
  /** Bind by itself to the servers whose app uses this tunnel. Default true; else call `attach(server)`. */
  autoAttach?: boolean;
}

/** A snapshot of one tunnel. */
export interface TunnelInfo {
  readonly id: string;
  /** The original URL, query values redacted. */
  readonly url: string;
  readonly address: string;
  readonly user?: string;
  /** The backend's id: `host:port`, `unix:/path`, or `stream` for a Duplex. */
  readonly backend: string;
  /** When it opened, in epoch milliseconds. */
  readonly since: number;
  /**
   * Payload bytes from the client. Once the tunnel has ended, only those that the backend's side has accepted; of a connection
   * that its peer has reset nobody knows.
   */
  readonly bytesIn: number;
  /** Payload bytes to the client; as with `bytesIn`. */
  readonly bytesOut: number;
}

/** Why a tunnel ended. The names are stable: code may compare them. */
export type CloseCause =
  /** The client sent a Close. */
  | 'client-closed'
  /** The client ended its connection without a Close. */
  | 'client-ended'
  /** The client's connection failed. */
  | 'client-lost'
  /** The client answered no PING within `pongTimeout`. */
  | 'client-silent'
  /** The client accepted no data for its `writeTimeout`. */
  | 'client-stalled'
  /** The client broke RFC 6455. */
  | 'protocol-error'
  /** A text frame of the client was not UTF-8. */
  | 'not-utf8'
  /** A frame of the client was longer than 2^53 - 1 bytes. */
  | 'frame-too-large'
  /** The backend ended its connection. */
  | 'backend-ended'
  /** The backend's connection failed. */
  | 'backend-failed'
  /** `frameType: 'text'`, and the backend sent bytes that are not UTF-8. */
  | 'backend-not-utf8'
  /** The backend did not accept everything that the client had sent before its Close. */
  | 'undelivered'
  /** No payload for `idleTimeout`. */
  | 'idle'
  /** Open for `maxDuration`. */
  | 'max-duration'
  /** The backend sent nothing for its `readTimeout`. */
  | 'read-timeout'
  /** The backend accepted no data for its `writeTimeout`. */
  | 'write-timeout'
  /** `tunnel.close()`. */
  | 'drain'
  /** `tunnel.end()`. */
  | 'ended-by-app'
  /** `refuseWith: 'close'`: a connection that was opened for its Close alone. It has a `refuse` event and no `close` event. */
  | 'refused'
  /** Close was sent, and what came before it or the client's answer was missing at the end of `closeTimeout` or `drainTimeout`. */
  | 'close-timeout'
  /** Still open at the end of the `timeout` of `tunnel.close()`. */
  | 'destroyed';

/** How a tunnel ended. */
export interface ClosedInfo extends TunnelInfo {
  readonly cause: CloseCause;
  /** Close code (RFC 6455 section 7.4.1); 1005 is a Close without code, 1006 a connection lost without Close. */
  readonly code: number;
  readonly reason: string;
  /** Seconds it was open. */
  readonly duration: number;
}

/** A request that got no tunnel. */
export interface RefuseInfo {
  readonly url: string;
  readonly address: string;
  readonly user?: string;
  readonly status: number;
  /** The {@link TunnelError} code. */
  readonly code: string;
  /** For the operator: of a refused origin it names the Origin and what that was compared with, cut and escaped. */
  readonly reason: string;
  /** The Origin of the page, where the refusal is for that; cut at 200 characters and escaped. */
  readonly origin?: string;
}

/** A backend went down, or was reached again. */
export interface BackendInfo {
  readonly id: string;
  readonly up: boolean;
  readonly reason?: string;
}

/** Totals since the tunnel was created. */
export interface TunnelStats {
  /** Tunnels open now. */
  readonly open: number;
  /** Requests that have reached the tunnel and have no 101 yet. */
  readonly opening: number;
  readonly opened: number;
  /** Refusals by {@link TunnelError} code. */
  readonly refused: Record<string, number>;
  /** Ends by close code. */
  readonly closed: Record<string, number>;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly backends: HostState[];
}

/** For `attach`, on a server that has other `upgrade` listeners as well. */
export interface AttachOptions {
  /**
   * Path prefixes that lead to the tunnel, as clients ask for them (before the app rewrites anything); no others do. Letter case
   * counts only where the app has `case sensitive routing`.
   */
  path?: string | readonly string[];
  /**
   * Those paths are the tunnel's alone: the other listeners never see an upgrade there. Without it an upgrade that the app
   * answers with a page or 404 goes on to them. Default false.
   */
  exclusive?: boolean;
}

/** The events of a tunnel. A listener that throws is logged and harms nothing. */
export interface TunnelEvents {
  open: [TunnelInfo];
  close: [ClosedInfo];
  refuse: [RefuseInfo];
  backend: [BackendInfo];
}

/** The middleware that `wstunnel()` returns: mount it with `app.use`. */
export interface Tunnel<Req extends IncomingMessage = IncomingMessage> extends EventEmitter<TunnelEvents> {
  (req: Req, res: ServerResponse, next: Next): void;
  /**
   * Bind to a server by hand: needed with `autoAttach: false`, or where the app hides the tunnel inside a function of its own, or
   * rewrites `req.url` before it. Idempotent; several tunnels may share a server, and a second call replaces the first.
   */
  attach(server: HttpServer | HttpsServer | Http2SecureServer | Http2Server, options?: AttachOptions): this;
  /**
   * No new tunnels (503), Close to the open ones, wait up to `timeout` seconds (10), destroy the rest, detach. Default
   * code 1001.
   */
  close(options?: { timeout?: number; code?: number; reason?: string }): Promise<void>;
  /** True from the first call of `close()`. */
  readonly draining: boolean;
  /**
   * End the tunnels that the filter picks; returns how many. Default code 1008.
   *
   * Requests that arrived before the call and are still on their way to the 101 are asked for as well, and refused with 403:
   * at once with what is known of them (an empty `backend`), when their user becomes known, and right before the 101. So the
   * filter may be called again later, for as long as an opening may take, and must tell by its argument alone; what it
   * throws then refuses that request with 500. Requests that arrive after the call are not concerned.
   */
  end(filter: (tunnel: TunnelInfo) => boolean, code?: number, reason?: string): number;
  stats(): TunnelStats;
  [Symbol.asyncDispose](): Promise<void>;
}

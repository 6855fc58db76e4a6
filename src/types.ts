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

/** The last argument of asynchronous hooks. */
export interface HookContext {
  /** Aborted when the client disconnects, `handshakeTimeout` has passed, or the tunnel closes. */
  readonly signal: AbortSignal;
}

/** A backend: the address and the way to connect to it (lighttpd: one entry of `wstunnel.server`). All times in seconds. */
export interface Host {
  /**
   * Name or address, resolved for each connection attempt; a value that begins with `/` is a `socket`. If a name has several
   * addresses, the next address is tried every 250 ms and the first connection wins (RFC 8305). Default `127.0.0.1`.
   */
  host?: string;
  /** TCP port, 1 to 65535. Required unless `socket` is given. */
  port?: number;
  /** Path of a unix socket; excludes `host` and `port` (lighttpd: `socket`). `@name` is an abstract socket, on Linux. */
  socket?: string;
  /**
   * TLS towards the backend: `true`, or the options of Node's `tls.connect` (`ca`, `cert`, `key`, `servername`,
   * `checkServerIdentity`, ...). The certificate is checked against `host` unless `rejectUnauthorized` is false. Default false.
   */
  tls?: boolean | ConnectionOptions;
  /** Seconds until a connection attempt, including TLS, fails. Default 8 (lighttpd: `connect-timeout`). */
  connectTimeout?: number;
  /**
   * Seconds for which a failed host gets no tunnels while another host is up. If no host is up, one request every half second
   * tries the host again. Default 1; 0 never leaves the host out (lighttpd: `disable-time`).
   */
  disableTime?: number;
  /** Seconds that the backend may be silent before Close 1011. Default 0, no limit (lighttpd: `read-timeout`). */
  readTimeout?: number;
  /** Seconds that the backend may accept no queued bytes before Close 1011. Default 0, no limit (lighttpd: `write-timeout`). */
  writeTimeout?: number;
  /** Maximum number of tunnels to this host at once. Default 0, no limit. */
  maxTunnels?: number;
  /**
   * What a further request at a full host (`maxTunnels`) gets, if no other host is free. `'refuse'`, the default: 503. `'takeover'`:
   * if the same user (see the option `user`) has a tunnel to the host, that tunnel ends with Close 4409, and the request gets the
   * slot; of several tunnels the oldest ends. Without a user, or without such a tunnel: 503.
   */
  onFull?: 'refuse' | 'takeover';
  /** The host's share of the tunnels in relation to the other hosts, 1 to 100. Default 1. */
  weight?: number;
  /** Used only while no other host is up. Default false. */
  backup?: boolean;
  /** TCP_NODELAY. Default true: keystrokes must not wait for Nagle's algorithm. */
  noDelay?: boolean;
  /** Seconds of silence before TCP keep-alive probes. Default 60; 0 is off. */
  keepAlive?: number;
  /** Local address to connect from. If `host` is a name, only the name's addresses of the same family are tried. */
  localAddress?: string;
  /** Replaces `dns.lookup`. */
  lookup?: LookupFunction;
  /**
   * Version of the PROXY protocol header, which the backend gets first, with the client's address (as `clientAddress` returns
   * it): 1 is text, 2 is binary. Default: no header.
   */
  proxyProtocol?: 1 | 2;
  /**
   * An in-process backend, in place of an address: called once for each tunnel, returns a new Duplex of bytes, for example a
   * channel of an SSH client. A throw or rejection counts as a refused connection (502).
   */
  connect?: () => Duplex | Promise<Duplex>;
  /**
   * A program that listens at this address: started when a tunnel needs the program, ended with the app (lighttpd: `bin-path`).
   * Without `port` and `socket` the program listens on a unix socket in a folder that only the app's user can open.
   */
  spawn?: SpawnOptions;
  /**
   * A backend that speaks WebSocket itself: a `ws:` or `wss:` URL without user and fragment. Excludes `host`, `port`, `socket`, `connect`
   * and `spawn`. For `wss:`, the option `tls` has the TLS settings, and the certificate is checked against the host of the URL.
   */
  url?: string | URL;
  /**
   * With `url`: headers of the request to the backend, in place of the client's headers of the same name. With the value undefined, the
   * header is not sent at all. The backend gets no `Cookie` and no `Authorization` but those given here.
   */
  headers?: Readonly<Record<string, string | undefined>>;
  /**
   * With `url`: the subprotocols to offer to the backend. Default: in `frames` mode the client's, and the backend's choice reaches the
   * client; in `bytes` mode none.
   */
  subprotocol?: string | readonly string[];
  /**
   * With `url`. `'frames'`, the default: the backend gets the client's handshake, and frames pass in both directions as they are, with
   * their boundaries, types, extensions and close codes. `'bytes'`: the tunnel is the backend's client, and the payload of the
   * backend's messages is a stream of bytes, as from any other host.
   */
  mode?: 'frames' | 'bytes';
  /** With `url`: the backend's 401, 403, 404, 409 and 429 reach the client as refusals with this status. Default true; false: 502. */
  passStatus?: boolean;
}

/**
 * The program of a host. Each process serves up to `maxLoadPerProc` tunnels, and **a free process serves the next client, whoever
 * that is**. For one program per user let a `server` function return a host that names the user in `args` or `environment`: hosts with
 * equal `spawn` options share their processes, other hosts never do.
 *
 * By default the program inherits its listening socket as descriptor 0, as under lighttpd. A program that opens the socket itself finds
 * the address in the placeholders `{socket}`, `{host}` and `{port}` of `args` and of the values of `environment`, or in the variables
 * WSTUNNEL_SOCKET, WSTUNNEL_HOST and WSTUNNEL_PORT. In a host that a `server` function returns, placeholders are filled in up to and
 * including the first text with `{socket}` or `{port}`, first in `args`, then in `environment`: put a user's name into a later text.
 * With `handOver: true` no placeholder is filled in.
 *
 * The program must stay in the foreground: when its process ends, all processes that it has started are ended as well.
 */
export interface SpawnOptions {
  /** The program: an absolute path, or a name to look for in PATH (lighttpd: `bin-path`). */
  path: string;
  /** Arguments of the program. Default: none. */
  args?: readonly string[];
  /** Variables of the program's environment (lighttpd: `bin-environment`). Default: none. */
  environment?: Readonly<Record<string, string>>;
  /**
   * Names of variables that the program gets from the app's environment (lighttpd: `bin-copy-environment`). Default: PATH, HOME,
   * USER, LOGNAME, SHELL, LANG, LC_ALL, LC_CTYPE, TZ, TMPDIR. Do not copy all variables: the app's secrets are among them.
   */
  copyEnvironment?: readonly string[];
  /** Number of processes that run from the start on, also without tunnels. Default 0 (lighttpd: `min-procs`, 4). */
  minProcs?: number;
  /** Maximum number of processes at once. Default 4 (lighttpd: `max-procs`). */
  maxProcs?: number;
  /** Maximum number of tunnels of one process; 0 means no limit. Default 1 (lighttpd: `max-load-per-proc`). */
  maxLoadPerProc?: number;
  /**
   * Seconds after which a process without tunnels is ended, unless `minProcs` keeps the process. Default 60 (lighttpd:
   * `idle-timeout`). With 0 a process ends with the last tunnel, and no client gets a process that another client has used.
   */
  idleTimeout?: number;
  /** The signal that asks the program to end; SIGKILL follows five seconds later. Default `SIGTERM` (lighttpd: `kill-signal`). */
  killSignal?: string;
  /** Maximum number of pending connections of an inherited socket. Default 1024 (lighttpd: `listen-backlog`). */
  listenBacklog?: number;
  /**
   * Whether the program inherits the listening socket as descriptor 0. Default: true, unless `args` or `environment` name the
   * address, by a placeholder or literally: then the program opens the socket itself.
   */
  handOver?: boolean;
}

/** The state of one host, for strategies and `stats()`. */
export interface HostState {
  /**
   * `host:port`, `unix:/path`, `stream:1` for an in-process backend, `spawn:program#1f2e3d` for a program without an address, or the URL
   * of a backend that speaks WebSocket, without the query.
   */
  readonly id: string;
  readonly host: Readonly<Host>;
  /** Number of tunnels assigned to the host. A tunnel counts as soon as the host is picked, before the connection is made. */
  readonly load: number;
  /** False for `disableTime` after a failed connection. */
  readonly up: boolean;
}

/** The request for which a strategy picks a host. */
export interface BalanceRequest<Req> {
  readonly req: Req;
  /** The client's address, as `clientAddress` returns it. */
  readonly address: string;
  /** Path of the original URL, without the query. */
  readonly path: string;
  /** The Host header of the request, unchanged. */
  readonly authority: string;
  /** All hosts of the list in order, including hosts that are down or full. The same list in the options gives the same array. */
  readonly all: readonly HostState[];
  /** The result of the option `stickyKey`, or the client's address without the option. Throws the errors of the option. */
  stickyKey(): string;
}

/** The names of the strategies, as in lighttpd's `wstunnel.balance`. */
export type BalanceName = 'fair' | 'least-connection' | 'round-robin' | 'hash' | 'sticky';

/** An app's own strategy in place of a {@link BalanceName}. One object serves one tunnel object for its whole life. */
export interface BalanceStrategy<Req = IncomingMessage> {
  /**
   * Picks the host of a request. `hosts` is never empty. The hosts are below their `maxTunnels` and up; if no host is up, the
   * hosts are due to be tried again. The result must be one of the hosts: any other value refuses the request with 503, a throw
   * or rejection refuses the request with 500, and a promise that does not settle ends with `handshakeTimeout` (504).
   *
   * After a failed connection attempt `pick` is called again, with the remaining hosts.
   */
  pick(
    hosts: readonly HostState[],
    request: BalanceRequest<Req>,
  ): HostState | undefined | Promise<HostState | undefined>;
  /** A tunnel was assigned to the host. The connection attempt comes after this call. */
  opened?(host: HostState): void;
  /** The tunnel of an earlier `opened` has ended, or was never established. Called exactly once for each `opened`. */
  closed?(host: HostState): void;
}

/**
 * Hosts by path, as in lighttpd. A key that begins with `/` is a path prefix that ends at a segment (`/vnc` matches `/vnc` and
 * `/vnc/x`, not `/vncx`); any other key is the end of a path; `""` matches every path. The first matching key counts; a request
 * without a matching key goes to `next()`.
 */
export type HostMap = Readonly<Record<string, Host | readonly Host[]>> & {
  // A map may have any key except the options of a host: thus a misspelt option of a host does not compile as a map.
  readonly [option in keyof Host]?: never;
};

/** One host, a list, a map of hosts by path, or a function of the request. */
export type ServerOption<Req> =
  Host | readonly Host[] | HostMap | ((req: Req, context: HookContext) => Target | Promise<Target>);

/**
 * The result of a `server` function: one host, a list, a Duplex as the in-process backend of this one tunnel, or `undefined` for
 * a 404. The state of a host (load, up) belongs to the host's address: a new object with the same address shares the state.
 */
export type Target = Host | readonly Host[] | Duplex | undefined;

/** The result of `authenticate`: `true` lets the request pass, an object is the answer of the refusal, any other value refuses with 401. */
export type AuthResult =
  | boolean
  | undefined
  | {
      /** HTTP status, 400 to 599. */
      status: number;
      headers?: Record<string, string>;
      /** Sent as text/plain unless `headers` name another type. */
      body?: string;
    };

/**
 * The type of `onRefuse`. TypeScript compares the parameters of methods bivariantly: thus an Express app may declare `res` as
 * Express's Response.
 */
interface Refuser<Req> {
  refuse(refusal: TunnelError, req: Req, res: ServerResponse, next: Next): unknown;
}

/** A RegExp (without the flags `g` and `y`), or a path prefix that ends at a segment. */
export type UrlPattern = RegExp | string;

/**
 * A condition on a text, with lighttpd's operators. A string means `equals`, a RegExp (without the flags `g` and `y`) means
 * `matches`. Of a list one entry must match, of an object all operators.
 */
export type TextMatch =
  | string
  | RegExp
  | readonly (string | RegExp)[]
  | {
      /** lighttpd: `==`. A list: the text equals one of the entries. */
      equals?: string | readonly string[];
      /** lighttpd: `!=`. A list: the text equals none of the entries. */
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

/** The condition of a rule. All given properties must match. A missing header, host or query is the empty text. */
export interface Condition {
  /**
   * The path below the mount path, without query, as the client sent it (lighttpd decodes its `$HTTP["url"]`). A string is the
   * whole path. A client can write the path in other ways, such as `/desk/%61dmin` or `/desk//admin`: so let rules permit
   * what the tunnel's own options forbid, not the reverse, or refuse such paths before the tunnel.
   */
  url?: TextMatch;
  /**
   * The Host header, in lower case and without a final dot; a value without a port matches the host on any port (lighttpd:
   * `$HTTP["host"]`). The client chooses this value, as with `query` and `headers`: it is no protection.
   */
  host?: TextMatch;
  /**
   * The client's address; strings are addresses and CIDR ranges (lighttpd: `$HTTP["remoteip"]`). The tunnel's own
   * `clientAddress` applies; a `clientAddress` of a rule does not.
   */
  remoteAddress?: TextMatch;
  /** The query without `?`, not decoded (lighttpd: `$HTTP["querystring"]`). */
  query?: TextMatch;
  /** `'https'` if the connection uses TLS, or a trusted proxy says so (lighttpd: `$HTTP["scheme"]`). */
  scheme?: 'http' | 'https';
  /**
   * The local port of the connection, or a list of ports (lighttpd: `$SERVER["socket"]`). After a proxy this is the port to which
   * the proxy connects. A connection over a unix socket matches no port.
   */
  localPort?: number | readonly number[];
  /** Request headers by name (lighttpd: `$REQUEST_HEADER["..."]`). */
  headers?: Readonly<Record<string, TextMatch>>;
  /** All of these conditions match. */
  all?: readonly Condition[];
  /** At least one of these conditions matches. */
  any?: readonly Condition[];
  /** This condition does not match. */
  not?: Condition;
}

/** Options for some of the requests (lighttpd: the directives inside a condition). */
export interface Rule<Req extends IncomingMessage = IncomingMessage> extends RuleOptions<Req> {
  /** Like the `url` of the tunnel. If `when` is given too, both must match. Default: every path. */
  url?: UrlPattern | readonly UrlPattern[];
  /** A further condition. Default: none. */
  when?: Condition;
  /** Rules inside this rule; they apply after the options of this rule. */
  rules?: readonly Rule<Req>[];
  /** The rule for requests that do not match `url` or `when` (lighttpd: `else`). */
  else?: Rule<Req>;
}

/** The option `revalidate` in full. */
export interface RevalidateOptions {
  /** Seconds between the checks of one tunnel, 0.1 to 86400; 0 is off. */
  every: number;
  /**
   * Does a check touch the session, as a page request does, so that the session expires later? `'active'`, the default: if the client
   * has sent payload since the last check. A check that does not touch the session destroys its response.
   */
  touch?: 'active' | 'always' | 'never';
  /** Seconds without a verdict after which the tunnel ends, not less than `every`. Default 0, never. */
  failAfter?: number;
}

/** The option `vnc` of one client. */
export interface VncOptions {
  /**
   * The password of the VNC server, a text without a line break, or a function that returns it, called for each tunnel before the connection to the backend. The tunnel
   * logs in to the VNC server before the 101 response: by VNC authentication (the server compares only the first 8 bytes), or by
   * VeNCrypt over TLS where the host has the option `tls`. The page is offered a login without a password. If the VNC server rejects the
   * login or asks for another kind of login, the request is refused with 502 (WSTUNNEL_VNC_REFUSED). Default: the page itself logs in.
   */
  password?: string | ((signal: AbortSignal) => string | Promise<string>);
  /** The user name for the VeNCrypt subtypes Plain, TLSPlain and X509Plain. Needs `password`. Default: none. */
  username?: string;
  /**
   * The client can only watch: keys, pointer, clipboard and resizing never reach the VNC server, whatever the page sends. Messages that cannot be
   * filtered end the tunnel with Close 1008. Default false.
   */
  viewOnly?: boolean;
  /** Seconds without a key or pointer event of the client before Close 1001; counted from the 101 response on. Default 0, no limit. */
  inputIdleTimeout?: number;
}

/**
 * Records the bytes of one tunnel; see the option `record`. All functions are called synchronously, and must copy or write the bytes before
 * they return: the memory of the bytes is used again.
 */
export interface Recorder {
  /** Bytes from the backend to the client. `ms`: milliseconds since the start of the recording, by the monotonic clock. */
  out(bytes: Uint8Array, ms: number): void;
  /** Bytes from the client to the backend: what the user types, passwords too. */
  in(bytes: Uint8Array, ms: number): void;
  /**
   * The tunnel has ended. Called once, also after a failure. If the result is a promise, `close()` of the tunnel waits for the promise, up to
   * the `timeout` of `close()`.
   */
  end(info: TunnelInfo): void | Promise<void>;
  /** `'out'`: `in` is never called. Default `'both'`. */
  readonly direction?: 'out' | 'both';
  /**
   * For a recorder that writes after `out` and `in` have returned: abort this signal, with the error as the reason, to report a failure. The
   * effect is that of a throw, and needs no further bytes of the tunnel.
   */
  readonly failed?: AbortSignal;
  /**
   * What happens when `out` or `in` throws or `failed` is aborted. `'continue'`, the default: the tunnel goes on without a recording.
   * `'close'`: the tunnel ends with Close 1011, and further bytes are not sent. In both cases the failure is logged, and reported by
   * `process.emitWarning`.
   */
  readonly whenFails?: 'close' | 'continue';
}

/** The options that a rule may set too. A rule replaces whole options; the values of one option are never merged. */
export interface RuleOptions<Req extends IncomingMessage = IncomingMessage> {
  /**
   * The backends (lighttpd: `wstunnel.server`). A request without `server` goes to `next()`. A function is called once per
   * request, after `authenticate`; the result `undefined` refuses the request with 404, a throw or rejection with 500.
   */
  server?: ServerOption<Req>;
  /**
   * The strategy for choosing a backend (lighttpd: `wstunnel.balance`). `'fair'`, the default, and `'least-connection'`: the
   * lowest load in relation to the weight. `'round-robin'`: in turn. `'hash'`: by Host and path. `'sticky'`: by `stickyKey`. The
   * last two always choose the same host for the same key; when a host fails, only the keys of that host move to other hosts
   * (rendezvous hashing).
   */
  balance?: BalanceName | BalanceStrategy<Req>;
  /** The key of a request for `balance: 'sticky'`. Default: the client's address. A throw refuses the request with 500. */
  stickyKey?: (req: Req) => string;
  /** Path endings, and for each the key of the `server` map to use (lighttpd: `wstunnel.map-extensions`). */
  mapExtensions?: Readonly<Record<string, string>>;
  /**
   * Opcode of the frames that are sent to the client (lighttpd: `wstunnel.frame-type`). Default `'binary'`. A client that offers
   * the subprotocol `binary` always gets binary frames. A text frame ends on a character boundary of UTF-8.
   */
  frameType?: 'binary' | 'text';
  /**
   * Chooses the subprotocol of the 101 response among the offered ones (RFC 6455 section 4.2.2). Default: `binary` if offered,
   * else none.
   */
  subprotocol?: (offered: ReadonlySet<string>, req: Req) => string | undefined;
  /**
   * Which web pages may open a tunnel (lighttpd: `wstunnel.origins`).
   *
   * `'same'`, the default: host and port of the Origin header must equal the request's, or the values of `X-Forwarded-Host` and
   * `X-Forwarded-Port` of a trusted proxy; the scheme counts only if the request is known to be secure. `'*'`: every origin. A
   * list: `'https://a.b'`, `'a.b'`, `'*.a.b'` (all subdomains), or a RegExp for the whole origin (anchor it with `^` and `$`).
   * Entries with other schemes must be equal letter by letter: `'tauri://localhost'`, `'file://'`, `'chrome-extension://id'`.
   * `'null'` is the origin of sandboxed frames and of local files: every site can have this origin. With a function the app
   * decides; a throw or rejection refuses the request with 500.
   *
   * If the server listens on loopback only, `'same'` refuses a page of plain http whose host is a name other than `localhost`
   * (DNS rebinding), unless the request has a proxy's header (such as `X-Forwarded-For`) or `trust proxy` trusts the peer. To allow
   * such a page, list its origin or set `trust proxy`.
   *
   * A request without Origin comes from a program, not a page. `'same'` and `'*'` accept such a request, a list refuses it with 400.
   */
  origins?:
    | 'same'
    | '*'
    | readonly (string | RegExp)[]
    | ((origin: string | undefined, req: Req) => boolean | Promise<boolean>);
  /**
   * Client addresses and CIDR ranges that may have a tunnel; other clients get 403. Default: all. An empty list is an error.
   * Under `trust proxy: true` clients choose their own address: without a `clientAddress`, `allow` and `deny` then refuse all
   * requests with 500.
   */
  allow?: readonly string[];
  /** Client addresses and CIDR ranges that may not have a tunnel (403). `deny` wins over `allow`. */
  deny?: readonly string[];
  /**
   * Returns the client's address. Default: `req.ip` if the app's `trust proxy` is narrower than `true`, else the address of the
   * socket. A port, brackets, quotes and a zone are removed, and each address has one notation (RFC 5952).
   */
  clientAddress?: (req: Req) => string | undefined;
  /**
   * Decides whether the request may have a tunnel: only `true` lets it pass. Called once per request, after the app's own
   * middleware and the checks of address and origin, before the backend is chosen. A throw or rejection refuses with 500.
   */
  authenticate?: (req: Req, context: HookContext) => AuthResult | Promise<AuthResult>;
  /**
   * Returns the user's name, for events, `end()`, `limits.perUser` and `revalidate`. In JavaScript a number counts as a name, and null as
   * no user. Default: the username, name, email or id of Passport's `req.user`.
   */
  user?: (req: Req) => string | undefined;
  /**
   * Tickets are the values that `tunnel.ticket()` makes, in the query of the URL: `?ticket=wst_...`. `'accept'`, the default: a request may
   * have a ticket, and without one the other options decide. `'require'`: a request without a ticket gets 403. A request with a
   * ticket needs no `server`.
   */
  tickets?: 'accept' | 'require';
  /**
   * Returns the id of the request's session, to compare with the `session` of its ticket. Called only for such a ticket. Default:
   * `req.sessionID` of express-session.
   */
  session?: (req: Req) => string | undefined;
  /**
   * Lets a tunnel live as long as its login: every so many seconds the request that opened the tunnel goes through the app again, in
   * the background, with the same URL, headers and addresses, and with a response that nobody receives. If the request no longer reaches
   * the tunnel (401, 403, 404, a redirect, a page), if `allow`, `deny`, `origins` or `authenticate` refuse it, or if it is another
   * user's, the tunnel ends with Close 1008. 408, 425, 429, 5xx, an error and no answer leave the tunnel open; the check is repeated
   * sooner. In the app such a request has `req.wstunnelCheck === true`: let rate limiters and access logs skip it. Default 0, off.
   */
  revalidate?: number | RevalidateOptions;
  /**
   * Returns the recorder of a tunnel, such as a `fileRecorder()` of `express-wstunnel/record`; undefined: the tunnel is not recorded.
   * Called right before the 101 response; a throw refuses the request with 500. A backend that speaks WebSocket gets no offer of
   * extensions, such as compression, when this option is set: the payload of compressed frames can't be recorded.
   */
  record?: (tunnel: TunnelInfo, req: Req) => Recorder | undefined;
  /**
   * Gets the text messages of the client, such as the size of a terminal's window, which then do not reach the backend. Without this
   * option the bytes of text messages are payload. Called synchronously, once per message, in the order of the client's messages: all
   * bytes before the message were written to the backend, which may not have read them yet. `message` is the text as sent, at most 4096 bytes of UTF-8; a longer message
   * ends the tunnel with Close 1009, text that is not UTF-8 with 1007. Check the message: the page can send any text. `tunnel` has the current
   * byte counts. `backend` is the Duplex that `server` or `connect` has returned, otherwise the connection to the backend. A throw or rejection
   * is logged, and ends the tunnel with Close 1011. The function is not called after the end of the tunnel. Not with `frameType: 'text'`, nor with
   * a backend in `frames` mode. Default: none.
   */
  control?: (message: string, tunnel: TunnelInfo, backend: Duplex) => void;
  /**
   * The backend is a VNC server: the tunnel can log in to it, drop the input of a client that only watches, and end after a time without input.
   * A function returns the rights of one request, or undefined if all bytes pass unchanged. It is called before the connection to
   * the backend, and with `revalidate` at each check: other rights than before end the tunnel with Close 1008. A throw, a rejection or an
   * invalid result refuses the request with 500. Not for a backend that speaks WebSocket in `frames` mode. Default: bytes pass unchanged.
   */
  vnc?:
    | VncOptions
    | ((req: Req, context: HookContext) => VncOptions | undefined | Promise<VncOptions | undefined>);
  /** Seconds between PINGs (lighttpd: `wstunnel.ping-interval`). Default 30; 0 sends none. */
  pingInterval?: number;
  /**
   * Seconds that a client may be silent after a PING before the connection is cut. Bytes sent before the PING lengthen the
   * deadline: at 4 kB/s, the slowest line assumed, by up to 45 times `pongTimeout` and 15 minutes. Default 20; 0 is no deadline.
   */
  pongTimeout?: number;
  /** Seconds from the arrival of the request at the tunnel to the 101 response, including hooks and connection attempts. Default 30. */
  handshakeTimeout?: number;
  /** Seconds without payload in either direction before Close 1001. PINGs do not count. Default 0, no limit. */
  idleTimeout?: number;
  /** Seconds that a tunnel may be open before Close 1001; at most 366 days. Default 0, no limit. */
  maxDuration?: number;
  /**
   * Seconds that client and backend have to finish after a Close. Every byte that moves restarts the deadline, and bytes in
   * flight to the client lengthen the deadline, at 4 kB/s, up to 30 times. A backend that has not accepted all bytes at the
   * deadline is reset, and the tunnel's close code says so. Default 10.
   */
  closeTimeout?: number;
  /** Seconds after a Close until the tunnel ends even if bytes still move. Default 900. */
  drainTimeout?: number;
  /**
   * Seconds that a client may accept no queued bytes, whether the client answers PINGs or not, before the connection is cut
   * (close code 1006). The `writeTimeout` of a host is for the backend. Default 360; 0 is no limit (lighttpd:
   * `server.max-write-idle`).
   */
  writeTimeout?: number;
  /**
   * `'http'`, the default, refuses with an HTTP status before the upgrade. `'close'` accepts the upgrade, then sends a Close with
   * 4000 + status and a reason: browsers hide an HTTP status from the page.
   */
  refuseWith?: 'http' | 'close';
  /**
   * Answers a refusal in place of the plain default: render the app's own page or call `next(refusal)`. Called once per refusal,
   * before the 101 response. The function must answer or call `next` within `handshakeTimeout`; a throw or rejection is answered
   * with 500. Not with `refuseWith: 'close'`.
   */
  onRefuse?: Refuser<Req>['refuse'];
}

/** The options of `wstunnel()`. Every time is in seconds, every size in bytes. */
export interface TunnelOptions<Req extends IncomingMessage = IncomingMessage> extends RuleOptions<Req> {
  /**
   * The paths of the tunnel (lighttpd: `$HTTP["url"] =~`), compared with the path of `req.url`: below the mount path, without query,
   * not decoded, as in Express's router. Other requests go to `next()`. Default: every path.
   *
   * A GET of such a path without `Upgrade: websocket` goes to `next()` too. Exception: if the path is the mount path or one of
   * `url`, and no later handler of the Express or Connect app matches the path, the answer is 426 with one sentence.
   */
  url?: UrlPattern | readonly UrlPattern[];
  /**
   * Options for some of the requests. All rules that match apply in order, and later rules win, option by option, as with
   * lighttpd's conditions. A request without `server` after all rules goes to `next()`.
   */
  rules?: readonly Rule<Req>[];
  limits?: {
    /** Maximum number of tunnels at once; further requests get 503. Default 0, no limit. */
    total?: number;
    /** Maximum number of tunnels of one client address (for IPv6: one /64) at once; further requests get 429. Default 0, no limit. */
    perClient?: number;
    /**
     * Maximum number of tunnels of one user (see the option `user`) at once; further requests get 429. Requests without a user are
     * not limited. Default 0, no limit.
     */
    perUser?: number;
    /** Bytes queued in one direction of one tunnel above which reading pauses, at least 64 KiB. Default 1 MiB. */
    buffered?: number;
    /**
     * Maximum number of requests before their 101 response at once (as sshd's MaxStartups); further requests are refused with
     * `Retry-After`. `total`, or a number: all requests, from their arrival on, also while they are in the app's own middleware;
     * 503. `perClient`: requests of one client address (for IPv6: one /64), once the tunnel knows the address; 429. 0 is no limit.
     * Default 1000 and 750.
     */
    opening?: number | { total?: number; perClient?: number };
  };
  /**
   * Log level on stderr (lighttpd: `wstunnel.debug`): 0 nothing (default), 1 errors, 2 warnings, 3 information, 4 and above
   * debug. `DEBUG=wstunnel:*` logs everything at any level.
   */
  debug?: number;
  /** Whether the tunnel finds and binds to the servers of its app. Default true; with false, call `attach(server)`. */
  autoAttach?: boolean;
  /**
   * The name of the tunnel object in its state. Tunnel objects with the same state and name, such as those before and after a reload,
   * have their statistics in common. Default: none.
   */
  name?: string;
  /**
   * State that outlives this tunnel, from `memoryShared()`. Give several tunnels the same state, such as the old and the new one at a
   * reload of the options: then counts, the states of hosts, programs and statistics survive the reload. Several processes share
   * a state from `redisShared()` (`express-wstunnel/redis`) or `clusterShared()` (`express-wstunnel/cluster`). Default: a state of
   * its own, which ends with `close()`.
   */
  shared?: SharedState;
}

/** State that several tunnels share, by the option `shared`. */
export interface SharedState {
  /** False after `close()`, and while the store of a state that several processes share does not answer. */
  readonly up: boolean;
  /** Ends the state and all of its programs. Close the tunnels first. */
  close(): Promise<void>;
}

/** A change of the connection to the store that several processes share. */
export interface SharedInfo {
  /** False while the store does not answer: then the option `whenDown` decides about new tunnels. */
  up: boolean;
  reason: string;
}

/** Selects tunnels by data. Every given field must match; no field selects every tunnel. */
export interface TunnelFilter {
  id?: string;
  /** The result of the option `user`. */
  user?: string;
  /** The client's address; each notation of an address is the same. */
  address?: string;
  /** The backend's id (see {@link HostState}). */
  backend?: string;
  /** The option `name` of the tunnel. */
  tunnel?: string;
}

/** The result of `end()` by data. */
export interface EndResult {
  /** The number of tunnels that were ended, and of requests that were refused. */
  readonly ended: number;
  /** The names of processes that share the state and did not answer in time. Always empty for a state in memory. */
  readonly silent: readonly string[];
}

/** The options of `tunnel.ticket()`. */
export interface TicketOptions {
  /** The user's name, in place of the option `user`. */
  user?: string;
  /** The backend, in place of the option `server`: a host or a list. If several processes share the state, without functions. */
  target?: Host | Host[];
  /** Seconds in which the ticket can be used, 1 to 86400. Default 30. */
  seconds?: number;
  /** The id of the session that must use the ticket, such as `req.sessionID`. Default: every client that has the ticket. */
  session?: string;
  /**
   * The backend is a VNC server, and the client of the ticket watches only: see the option `vnc`, which cannot give the client more.
   * Default false.
   */
  viewOnly?: boolean;
}

/** How long the parts of an opening took, in seconds. A part that was not reached is missing. */
export interface TunnelTimings {
  /** From the arrival of the request, before the app's middleware, to the 101 response or the refusal. */
  readonly opening?: number;
  /** The checks of the tunnel object: `clientAddress`, `allow`, `origins`, `authenticate`, a token or ticket, `user`, `limits`. */
  readonly auth?: number;
  /** Choosing a backend and connecting to the backend, with all hosts that failed before. */
  readonly connect?: number;
  /** From the 101 response to the first payload byte of the backend. */
  readonly firstByte?: number;
}

/** A snapshot of one tunnel. */
export interface TunnelInfo {
  readonly id: string;
  /** The original URL, with redacted query values. */
  readonly url: string;
  readonly address: string;
  readonly user?: string;
  /** The backend's id (see {@link HostState}), or `stream` for a Duplex. */
  readonly backend: string;
  /** The time of the 101 response, in epoch milliseconds. */
  readonly since: number;
  /**
   * Payload bytes from the client. After the end of the tunnel: only the bytes that the backend's side has accepted, as far as
   * the kernel tells; after a reset by the peer that number is not known exactly.
   */
  readonly bytesIn: number;
  /** Payload bytes to the client; see `bytesIn`. */
  readonly bytesOut: number;
  /** The client of a VNC server watches only: by the option `vnc`, a ticket or a token. */
  readonly viewOnly: boolean;
  /** Only in the events `open` and `close`. */
  readonly timings?: TunnelTimings;
}

/**
 * The reason for the end of a tunnel. The names are stable: code may compare them. The first cause counts: if a client never answers
 * the Close of `tunnel.close()`, the cause is `drain`.
 */
export type CloseCause =
  /** The client sent a Close. */
  | 'client-closed'
  /** The client ended its connection without a Close. */
  | 'client-ended'
  /** The client's connection failed. */
  | 'client-lost'
  /** The client answered no PING within `pongTimeout`, and gave no other sign of life. */
  | 'client-silent'
  /** The client accepted no data for the tunnel's `writeTimeout`. */
  | 'client-stalled'
  /** The client broke RFC 6455. */
  | 'protocol-error'
  /** A text frame of the client was not UTF-8. */
  | 'not-utf8'
  /** A frame of the client was longer than 2^53 - 1 bytes. */
  | 'frame-too-large'
  /** The backend ended its connection. */
  | 'backend-ended'
  /** A backend that speaks WebSocket sent a Close. */
  | 'backend-closed'
  /** The backend's connection failed. */
  | 'backend-failed'
  /** `frameType: 'text'`, and the backend sent bytes that are not UTF-8. */
  | 'backend-not-utf8'
  /** The backend did not accept all bytes that the client had sent before the client's Close. */
  | 'undelivered'
  /** No payload for `idleTimeout`. */
  | 'idle'
  /** Open for `maxDuration`. */
  | 'max-duration'
  /** The backend sent no data for the host's `readTimeout`. */
  | 'read-timeout'
  /** The backend accepted no data for the host's `writeTimeout`. */
  | 'write-timeout'
  /** `tunnel.close()`. */
  | 'drain'
  /** `tunnel.end()`. */
  | 'ended-by-app'
  /** `revalidate`: the opening request no longer reaches the tunnel, or a guard of the tunnel refuses it. */
  | 'login-ended'
  /** `revalidate`: the opening request reaches the tunnel as another user. */
  | 'user-changed'
  /** `revalidate`: no check had a verdict for `failAfter`. */
  | 'login-unclear'
  /** `refuseWith: 'close'`: a connection that was opened only for the Close. There is a `refuse` event and no `close` event. */
  | 'refused'
  /** The recorder of the tunnel failed, and its `whenFails` is `close`. */
  | 'recording-failed'
  /** `vnc`: bytes of the client or of the backend do not follow the RFB protocol, or use a part of it that cannot be filtered. */
  | 'vnc-error'
  /** `vnc`: no key or pointer event for `inputIdleTimeout`. */
  | 'input-idle'
  /** `revalidate`: `vnc` gives the client other rights than before. */
  | 'rights-changed'
  /** `control`: a text message of the client was longer than 4 KiB. */
  | 'message-too-large'
  /** `control` threw an error. */
  | 'control-failed'
  /** Another tunnel of the same user got the slot at the host (`onFull: 'takeover'`). */
  | 'replaced'
  /** A Close was sent, and earlier bytes or the client's answer were missing at the end of `closeTimeout` or `drainTimeout`. */
  | 'close-timeout'
  /** Still open at the end of the `timeout` of `tunnel.close()`. */
  | 'destroyed';

/** How a tunnel ended. */
export interface ClosedInfo extends TunnelInfo {
  readonly cause: CloseCause;
  /** Close code (RFC 6455 section 7.4.1); 1005 is a Close without a code, 1006 a lost connection without a Close. */
  readonly code: number;
  readonly reason: string;
  /** Seconds from the 101 response to the end. */
  readonly duration: number;
}

/** A refused request. */
export interface RefuseInfo {
  /** The id that the tunnel would have had. */
  readonly id: string;
  readonly url: string;
  readonly address: string;
  readonly user?: string;
  /** HTTP status of the refusal. */
  readonly status: number;
  /** The {@link TunnelError} code. */
  readonly code: string;
  /** For the operator. For a refused origin: the Origin and the compared value, shortened and escaped. */
  readonly reason: string;
  /** The Origin of the page, if the Origin is the cause of the refusal; shortened to 200 characters and escaped. */
  readonly origin?: string;
  /** The host that failed last, or whose VNC server refused the login, if a backend is the cause of the refusal. */
  readonly backend?: string;
  /** Why the host failed, such as `connect ECONNREFUSED 127.0.0.1:5900`. */
  readonly failure?: string;
  /** Missing for a request that is refused on arrival. */
  readonly timings?: TunnelTimings;
}

/** A backend failed, or was reached again after a failure. */
export interface BackendInfo {
  readonly id: string;
  readonly up: boolean;
  readonly reason?: string;
}

/** Totals since the tunnel was created; with `shared`, of all tunnels of the same `name` that the state has had. */
export interface TunnelStats {
  /** Tunnels open now. */
  readonly open: number;
  /** Requests that have reached the tunnel and have no 101 response yet. */
  readonly opening: number;
  /** Tunnels opened so far. */
  readonly opened: number;
  /** Refusals by {@link TunnelError} code. */
  readonly refused: Record<string, number>;
  /** Ended tunnels by close code. */
  readonly closed: Record<string, number>;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly backends: HostState[];
}

/** The options of `attach`, for a server that has other `upgrade` listeners too. */
export interface AttachOptions {
  /**
   * Path prefixes of the tunnel, as clients request them (before the app rewrites the URL); upgrades of other paths are not for
   * the tunnel. Letter case counts only if the app has `case sensitive routing`. Default: every path.
   */
  path?: string | readonly string[];
  /**
   * Whether these paths belong to the tunnel alone: then no other listener sees their upgrades. Otherwise an upgrade that the app
   * answers with a page or a 404 is passed on to the other listeners. Default false.
   */
  exclusive?: boolean;
}

/** The options of `close`. All times in seconds. */
export interface CloseOptions {
  /** For so long open tunnels go on, and may end by themselves; at most 366 days. Default 0. */
  grace?: number;
  /**
   * The Closes of the tunnels that are left after `grace` are sent evenly over this time, so that clients do not all come back at once; at
   * most a day. Default 0, all at once.
   */
  spread?: number;
  /** Time from the last Close until the connections that are still open are destroyed, at most an hour. Default 10. */
  timeout?: number;
  /** The close code. Default 1001. */
  code?: number;
  /** The reason in the Close. Default `the server is closing`. */
  reason?: string;
}

/**
 * The events of a tunnel. Listeners are called synchronously. An error thrown by a listener, or a rejection, is logged, and
 * reported by `process.emitWarning`; no tunnel is affected.
 */
export interface TunnelEvents {
  /** A tunnel is open: the 101 response has been sent. */
  open: [TunnelInfo];
  /** A tunnel has ended. Emitted once for each `open`. */
  close: [ClosedInfo];
  /** A request was refused. */
  refuse: [RefuseInfo];
  /** A backend failed, or was reached again after a failure. */
  backend: [BackendInfo];
  /** The store of a state that several processes share was reached, or is reached no longer. */
  shared: [SharedInfo];
}

/** The middleware that `wstunnel()` returns: mount it with `app.use`. */
export interface Tunnel<Req extends IncomingMessage = IncomingMessage> extends EventEmitter<TunnelEvents> {
  (req: Req, res: ServerResponse, next: Next): void;
  /**
   * Binds to a server by hand: needed with `autoAttach: false`, and if the app wraps the tunnel in a function or rewrites
   * `req.url` before the tunnel. Several tunnels may share a server. A second call for the same server replaces the options of
   * the first.
   *
   * @throws {TunnelError} WSTUNNEL_OPTION
   */
  attach(server: HttpServer | HttpsServer | Http2SecureServer | Http2Server, options?: AttachOptions): this;
  /**
   * Ends the tunnel object. New requests get 503 with Retry-After. Open tunnels go on for `grace` seconds, then get a Close with `code`
   * and `reason`, spread over `spread` seconds. Connections that are still open `timeout` seconds after the last Close are destroyed.
   * At the end the tunnel object detaches from all servers. The promise resolves as soon as all tunnels have ended.
   *
   * A later call returns the same promise, and can only shorten what is left: `close()` ends the grace at once. Its `code`, `reason` and
   * `timeout` apply if given.
   *
   * @throws {TunnelError} WSTUNNEL_OPTION
   */
  close(options?: CloseOptions): Promise<void>;
  /** True after the first call of `close()`. */
  readonly draining: boolean;
  /**
   * Ends the tunnels for which the filter returns true, with a Close (default code 1008), and returns the number of these
   * tunnels.
   *
   * The filter is also called for requests that arrived before the call and have no 101 response yet; the result true refuses
   * such a request with 403. The filter is called at once (with an empty `backend`), again when the user is known, and right
   * before the 101 response. So the filter may run later, for as long as a tunnel takes to open, and must decide by the argument
   * alone; an error thrown then refuses the request with 500. Requests that arrive after the call are not affected.
   */
  end(filter: (tunnel: TunnelInfo) => boolean, code?: number, reason?: string): number;
  /**
   * Ends the tunnels with these data, of all tunnels that share the state, and refuses requests before the 101 response as
   * above: `tunnel.end({ user: 'ann' })` at a logout. Which fields are known before the 101 response, see above.
   *
   * @throws {TunnelError} WSTUNNEL_OPTION for an unknown field, and for a field with the value undefined
   */
  end(where: TunnelFilter, code?: number, reason?: string): Promise<EndResult>;
  /**
   * Makes a ticket: a secret for one tunnel, which the page puts into its URL as `?ticket=...`. The ticket can be used once, within
   * `seconds`, with this tunnel object or another of the same `name` that shares the state. Returns a promise if several processes
   * share the state.
   *
   * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option, WSTUNNEL_DRAINING after `close()`, WSTUNNEL_TOO_MANY with 1,000 unused
   * tickets of this `user`, WSTUNNEL_FULL with 100,000 of all. If several processes share the state, these errors reject the promise. WSTUNNEL_STATE_DOWN rejects the promise if the store of the state can't be used.
   */
  ticket(options: TicketOptions): string | Promise<string>;
  /** The open tunnels with these data, newest last, of all tunnels that share the state. Default: all. */
  tunnels(where?: TunnelFilter): TunnelInfo[];
  /** A snapshot of counts and of the state of all backends. */
  stats(): TunnelStats;
  /**
   * The metrics of all tunnel objects that share the state, as text in Prometheus's format 0.0.4. With `others`, those of their states as
   * well: two texts can't be joined to one page. Tunnel objects with states of their own need different names (the option `name`).
   *
   * @throws {TunnelError} WSTUNNEL_OPTION for an argument that is not a tunnel object, and for two states with the same name
   */
  metrics(...others: Tunnel<never>[]): string;
  /**
   * Middleware with the admin page, its data and `POST /end`: the open tunnels of all tunnel objects that share the state, refusals,
   * backends and programs. With `others`, those of their states as well. Mount the middleware behind the app's own check, since everyone
   * who reaches the page sees user names and can end tunnels: `app.use('/admin', requireAdmin, tunnel.admin())`.
   *
   * @throws {TunnelError} WSTUNNEL_OPTION for an argument that is not a tunnel object
   */
  admin(...others: Tunnel<never>[]): (req: IncomingMessage, res: ServerResponse, next: Next) => void;
  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

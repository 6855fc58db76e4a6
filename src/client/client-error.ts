/**
 * The ways in which a client's tunnel fails. `again`: a later attempt may succeed, so a listener repeats the attempt.
 */
const catalogue = {
  /** No connection to the server: its name or port is wrong, it is not running, or it closed the connection before an answer. */
  WSTUNNEL_UNREACHABLE: { again: true },
  /** TLS with the server failed: its certificate is not trusted, or it does not speak TLS. */
  WSTUNNEL_TLS: { again: false },
  /** The tunnel was not open within `connectTimeout`. */
  WSTUNNEL_CONNECT_TIMEOUT: { again: true },
  /** The server answered the handshake with a status other than 101. */
  WSTUNNEL_REFUSED: { again: false },
  /** The server's answer is not a valid WebSocket handshake (RFC 6455 section 4.1). */
  WSTUNNEL_NOT_WEBSOCKET: { again: false },
  /** No connection to the proxy; or it closed the connection before an answer, or its answer to CONNECT is longer than 16 KiB. */
  WSTUNNEL_PROXY_UNREACHABLE: { again: true },
  /** The proxy refused the credentials: 407, or 401 from a proxy that confuses the two. */
  WSTUNNEL_PROXY_AUTH: { again: false },
  /** The proxy answered CONNECT with a status other than 200, or not in HTTP. */
  WSTUNNEL_PROXY_REFUSED: { again: false },
  /** The open tunnel ended without a Close 1000: `closeCode` and `reason` say how. */
  WSTUNNEL_CLOSED: { again: false },
} as const satisfies Record<string, { again: boolean }>;

/** The stable codes of {@link ClientError}: switch on them. */
export type ClientErrorCode = keyof typeof catalogue;

/** Details of a {@link ClientError}, besides its code and message. */
interface ClientErrorDetails {
  cause?: unknown;
  status?: number | undefined;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  closeCode?: number;
  reason?: string;
}

/** Statuses of servers that are starting, are overloaded or have no backend. */
const PASSING = [429, 502, 503, 504];

function isPassing(code: ClientErrorCode, status = 0): boolean {
  // A proxy says so when it can't reach the server; tinyproxy's status is 500.
  return PASSING.includes(status) || (code === 'WSTUNNEL_PROXY_REFUSED' && status >= 500);
}

/** The error of a client's tunnel that could not be opened, or did not end with Close 1000. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  /** The HTTP status of the answer, if it was not 101 (from a proxy: not 200). */
  readonly status: number | undefined;
  /** The headers of that answer that say what to do: `www-authenticate`, `location`, `retry-after` ... */
  readonly headers: Readonly<Record<string, string>>;
  /** The beginning of the body of that answer, at most 1 KiB. */
  readonly body: string;
  /** The close code that ended the tunnel (RFC 6455 section 7.4.1); 1006 where there was no Close. */
  readonly closeCode: number | undefined;
  /** The close reason. */
  readonly reason: string;
  /** Whether a later attempt may succeed. */
  readonly again: boolean;

  constructor(code: ClientErrorCode, message: string, details: ClientErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : {});
    this.code = code;
    this.status = details.status;
    this.headers = details.headers ?? {};
    this.body = details.body ?? '';
    this.closeCode = details.closeCode;
    this.reason = details.reason ?? '';
    this.again = catalogue[code].again || isPassing(code, details.status);
  }
}

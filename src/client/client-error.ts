/** The ways in which a client's tunnel fails. `again`: a later attempt may succeed, so a listener repeats the attempt. */
const catalogue = {
  /**
   * No connection to the server: the name or port is wrong, the server is not running, or the server closed the connection without
   * an answer.
   */
  WSTUNNEL_UNREACHABLE: { again: true },
  /** TLS with the server failed: the server's certificate is not trusted, or the server does not speak TLS. */
  WSTUNNEL_TLS: { again: false },
  /** The tunnel was not open within `connectTimeout`. */
  WSTUNNEL_CONNECT_TIMEOUT: { again: true },
  /** The server answered the handshake with a status other than 101. */
  WSTUNNEL_REFUSED: { again: false },
  /** The server's answer is not a valid WebSocket handshake (RFC 6455 section 4.1). */
  WSTUNNEL_NOT_WEBSOCKET: { again: false },
  /** No connection to the proxy; or the proxy closed the connection without an answer, or sent an answer to CONNECT longer than 16 KiB. */
  WSTUNNEL_PROXY_UNREACHABLE: { again: true },
  /** The proxy refused the credentials, with 407, or with 401 (tinyproxy). */
  WSTUNNEL_PROXY_AUTH: { again: false },
  /** The proxy answered CONNECT with a status other than 200, or not in HTTP. */
  WSTUNNEL_PROXY_REFUSED: { again: false },
  /** The open tunnel ended without a Close 1000: `closeCode` and `reason` say how. */
  WSTUNNEL_CLOSED: { again: false },
} as const satisfies Record<string, { again: boolean }>;

/** The stable codes of {@link ClientError}, for a `switch`. */
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
  // A proxy that can't reach the server answers with a 5xx status; tinyproxy answers 500.
  return PASSING.includes(status) || (code === 'WSTUNNEL_PROXY_REFUSED' && status >= 500);
}

/** The error of a tunnel that could not be opened, or did not end with Close 1000. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  /** The HTTP status of the answer, if it was not 101 (from a proxy: not 200). */
  readonly status: number | undefined;
  /** The headers of the answer that tell the user what to do: `www-authenticate`, `location`, `retry-after` ... */
  readonly headers: Readonly<Record<string, string>>;
  /** The beginning of the answer's body, at most 1 KiB. */
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

/**
 * Every way in which a client's tunnel fails, and whether another attempt, a little later, may go better: the listener
 * waits for those.
 */
const catalogue = {
  /** No connection to the server: its name, its port, or it hung up before it answered. */
  WSTUNNEL_UNREACHABLE: { again: true },
  /** TLS with the server failed: its certificate, or it speaks none. */
  WSTUNNEL_TLS: { again: false },
  /** No tunnel within `connectTimeout`. */
  WSTUNNEL_CONNECT_TIMEOUT: { again: true },
  /** The server answered the handshake with another status than 101. */
  WSTUNNEL_REFUSED: { again: false },
  /** It answered with what is no WebSocket handshake (RFC 6455 section 4.1). */
  WSTUNNEL_NOT_WEBSOCKET: { again: false },
  /** No connection to the proxy, it hung up before it answered, or its answer to CONNECT is longer than 16 KiB. */
  WSTUNNEL_PROXY_UNREACHABLE: { again: true },
  /** The proxy wants other credentials: 407, or 401 where a proxy mistakes the one for the other. */
  WSTUNNEL_PROXY_AUTH: { again: false },
  /** The proxy answered CONNECT with another status than 200, or not in HTTP. */
  WSTUNNEL_PROXY_REFUSED: { again: false },
  /** The open tunnel ended otherwise than with Close 1000: `closeCode` and `reason` say how. */
  WSTUNNEL_CLOSED: { again: false },
} as const satisfies Record<string, { again: boolean }>;

/** The stable codes of {@link ClientError}: switch on them. */
export type ClientErrorCode = keyof typeof catalogue;

/** What {@link ClientError} takes besides its code and message. */
export interface ClientErrorDetails {
  cause?: unknown;
  status?: number | undefined;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  closeCode?: number;
  reason?: string;
}

/** Servers that are starting, overloaded or in want of their backend. */
const PASSING = [429, 502, 503, 504];

function isPassing(code: ClientErrorCode, status = 0): boolean {
  // To a proxy it is the server that is not there; tinyproxy says 500.
  return PASSING.includes(status) || (code === 'WSTUNNEL_PROXY_REFUSED' && status >= 500);
}

/** A client's tunnel that could not be opened, or that ended otherwise than it should. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;
  /** The HTTP status that came instead of 101 (of a proxy: instead of 200). */
  readonly status: number | undefined;
  /** Of that answer's headers, those that say what to do: `www-authenticate`, `location`, `retry-after` ... */
  readonly headers: Readonly<Record<string, string>>;
  /** The beginning of that answer's body, at most 1 KiB. */
  readonly body: string;
  /** The Close that ended the tunnel (RFC 6455 section 7.4.1); 1006 where there was none. */
  readonly closeCode: number | undefined;
  /** Its reason. */
  readonly reason: string;
  /** Whether another attempt, a little later, may go better. */
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

/** The properties of one code: the HTTP status of the refusal, and whether the client may read the message. */
interface Kind {
  readonly status: number;
  readonly expose: boolean;
  /** The close code (RFC 6455 section 7.4.1) under `refuseWith: 'close'`. Default: 4000 + status. */
  readonly closeCode?: number;
  /** The header Retry-After of every answer. */
  readonly retryAfter?: string;
  /** Thrown at creation: the code never answers a request. */
  readonly atCreation?: true;
}

/** All codes. The causes and close codes of open tunnels are in streams/close-causes.ts. */
const KINDS = {
  // An invalid option.
  WSTUNNEL_OPTION: { status: 500, closeCode: 1011, expose: false, atCreation: true },
  // A runtime in which upgrades cannot pass through an app.
  WSTUNNEL_RUNTIME: { status: 500, closeCode: 1011, expose: false, atCreation: true },
  // The request is invalid.
  WSTUNNEL_BAD_HANDSHAKE: { status: 400, expose: true },
  WSTUNNEL_WRONG_VERSION: { status: 426, expose: true },
  // The client may not have the tunnel.
  WSTUNNEL_ORIGIN_MISSING: { status: 400, expose: true },
  WSTUNNEL_ORIGIN_REFUSED: { status: 403, expose: true },
  WSTUNNEL_ENDED: { status: 403, expose: true },
  WSTUNNEL_PATH_REFUSED: { status: 403, expose: true },
  WSTUNNEL_ADDRESS_REFUSED: { status: 403, expose: true },
  WSTUNNEL_TICKET_REFUSED: { status: 403, expose: true },
  WSTUNNEL_NOT_AUTHENTICATED: { status: 401, expose: true },
  WSTUNNEL_NO_TARGET: { status: 404, expose: true },
  // Events only: the client has gone (nginx's 499), or the app has answered the request. No Close can be sent.
  WSTUNNEL_CLIENT_GONE: { status: 499, closeCode: 1006, expose: false },
  WSTUNNEL_ANSWERED: { status: 200, closeCode: 1006, expose: false },
  // A limit of this client.
  WSTUNNEL_TOO_MANY: { status: 429, expose: true },
  // A defect of a hook or of this package: the message is for the operator.
  WSTUNNEL_HOOK_FAILED: { status: 500, expose: false },
  // The backends, and the tunnel as a whole.
  // A backend that speaks WebSocket refused this request: always with the backend's own status.
  WSTUNNEL_BACKEND_ANSWERED: { status: 502, expose: true },
  WSTUNNEL_BACKEND_REFUSED: { status: 502, expose: true },
  // The VNC server behind the option `vnc` rejected the login, or asks for one that the option cannot answer.
  WSTUNNEL_VNC_REFUSED: { status: 502, expose: true },
  WSTUNNEL_NO_BACKEND: { status: 503, expose: true },
  WSTUNNEL_EXHAUSTED: { status: 503, expose: true },
  WSTUNNEL_FULL: { status: 503, expose: true },
  // A store does not answer: the counts and tickets that several processes share, or a source of tokens.
  WSTUNNEL_STATE_DOWN: { status: 503, expose: true },
  // A load balancer sends the next try elsewhere; the same process may be there again after a restart.
  WSTUNNEL_DRAINING: { status: 503, retryAfter: '1', expose: true },
  WSTUNNEL_NOT_ATTACHED: { status: 503, expose: true },
  WSTUNNEL_BACKEND_TIMEOUT: { status: 504, expose: true },
  WSTUNNEL_HANDSHAKE_TIMEOUT: { status: 504, expose: true },
} as const satisfies Record<string, Kind>;

/** The stable codes of {@link TunnelError}, for use in a `switch`. */
export type TunnelErrorCode = keyof typeof KINDS;

/** The details of a {@link TunnelError} besides code and message. */
interface TunnelErrorDetails {
  cause?: unknown;
  /** Replaces the default status of the code. */
  status?: number;
  /** Extra headers of the HTTP answer. */
  headers?: Readonly<Record<string, string>>;
  /** The text of the HTTP answer, instead of the message. */
  body?: string;
  /** Only for the operator: added to the reason in the event and in the log, never part of the answer. */
  detail?: string;
}

/** The properties that describe an answer to a request. */
const ANSWER = ['status', 'closeCode', 'expose', 'headers', 'body'] as const;

/** The only error class of the package: an invalid option, an unsupported runtime, or a refused request. */
export class TunnelError extends Error {
  override readonly name = 'TunnelError';
  readonly code: TunnelErrorCode;
  /** The status of the HTTP answer. */
  readonly status: number;
  /** The code of the Close after the upgrade (`refuseWith: 'close'`): 4000 + status. */
  readonly closeCode: number;
  /** Whether the client may see the message, as in `http-errors`. */
  readonly expose: boolean;
  /** Extra headers of the HTTP answer, as in `http-errors`. */
  readonly headers: Readonly<Record<string, string>>;
  /** The text of the HTTP answer. */
  readonly body: string;
  /** Only for the operator, such as the Origin and the compared value: do not show this text to the client. */
  declare readonly detail: string | undefined;

  constructor(code: TunnelErrorCode, message: string, details: TunnelErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : {});
    const kind: Kind = KINDS[code];
    this.code = code;
    this.status = details.status ?? kind.status;
    this.closeCode =
      details.status === undefined ? (kind.closeCode ?? 4000 + kind.status) : 4000 + details.status;
    this.expose = kind.expose;
    this.headers =
      details.headers ?? (kind.retryAfter === undefined ? {} : { 'Retry-After': kind.retryAfter });
    // Not enumerable, like `cause`: an app that answers with the error as JSON does not send this text.
    Object.defineProperty(this, 'detail', { value: details.detail });
    this.body = details.body ?? (this.expose ? `${message}\n` : 'The tunnel could not be opened.\n');
    // An error that answers no request is printed without the properties of an answer.
    if (kind.atCreation) for (const name of ANSWER) Object.defineProperty(this, name, { enumerable: false });
  }
}

const plainMessages = new WeakMap<TunnelError, string>();

/** An error at creation, whose message begins with the name of the package. */
export function creationError(
  code: 'WSTUNNEL_OPTION' | 'WSTUNNEL_RUNTIME',
  plain: string,
  cause?: unknown,
): TunnelError {
  const error = new TunnelError(code, `wstunnel: ${plain}`, cause === undefined ? {} : { cause });
  plainMessages.set(error, plain);
  return error;
}

/** The message of an error without the leading name of the package: commands print their own name. */
export function plainMessageOf(error: TunnelError): string {
  return plainMessages.get(error) ?? error.message;
}

/** The message of a thrown value of any kind. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  try {
    return String(thrown);
  } catch {
    // An object without a prototype.
    return 'a value without a text form';
  }
}

/** Any error except a refusal is a defect: the defect fails this request and no other. */
export function asRefusal(error: unknown): TunnelError {
  if (error instanceof TunnelError) return error;
  return new TunnelError('WSTUNNEL_HOOK_FAILED', messageOf(error), { cause: error });
}

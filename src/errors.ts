/**
 * Every way in which a request is refused or a tunnel is ended by the tunnel itself: the HTTP status before the
 * upgrade, the close code after it (RFC 6455 section 7.4.1), and whether the message may be shown to the client.
 */
const catalogue = {
  // At creation: a wrong option.
  WSTUNNEL_OPTION: { status: 500, closeCode: 1011, expose: false },
  // At creation: a runtime where upgrades can't pass through an app.
  WSTUNNEL_RUNTIME: { status: 500, closeCode: 1011, expose: false },
  // Before the upgrade.
  WSTUNNEL_BAD_HANDSHAKE: { status: 400, closeCode: 4400, expose: true },
  WSTUNNEL_WRONG_VERSION: { status: 426, closeCode: 4426, expose: true },
  WSTUNNEL_ORIGIN_MISSING: { status: 400, closeCode: 4400, expose: true },
  WSTUNNEL_ORIGIN_REFUSED: { status: 403, closeCode: 4403, expose: true },
  WSTUNNEL_ENDED: { status: 403, closeCode: 4403, expose: true },
  WSTUNNEL_PATH_REFUSED: { status: 403, closeCode: 4403, expose: true },
  WSTUNNEL_ADDRESS_REFUSED: { status: 403, closeCode: 4403, expose: true },
  WSTUNNEL_NOT_AUTHENTICATED: { status: 401, closeCode: 4401, expose: true },
  WSTUNNEL_NO_TARGET: { status: 404, closeCode: 4404, expose: true },
  WSTUNNEL_CLIENT_GONE: { status: 499, closeCode: 1006, expose: false },
  WSTUNNEL_ANSWERED: { status: 200, closeCode: 1006, expose: false },
  WSTUNNEL_TOO_MANY: { status: 429, closeCode: 4429, expose: true },
  WSTUNNEL_HOOK_FAILED: { status: 500, closeCode: 4500, expose: false },
  WSTUNNEL_BACKEND_REFUSED: { status: 502, closeCode: 4502, expose: true },
  WSTUNNEL_NO_BACKEND: { status: 503, closeCode: 4503, expose: true },
  WSTUNNEL_EXHAUSTED: { status: 503, closeCode: 4503, expose: true },
  WSTUNNEL_FULL: { status: 503, closeCode: 4503, expose: true },
  WSTUNNEL_DRAINING: { status: 503, closeCode: 4503, expose: true },
  WSTUNNEL_NOT_ATTACHED: { status: 503, closeCode: 4503, expose: true },
  WSTUNNEL_BACKEND_TIMEOUT: { status: 504, closeCode: 4504, expose: true },
  WSTUNNEL_HANDSHAKE_TIMEOUT: { status: 504, closeCode: 4504, expose: true },
} as const satisfies Record<string, { status: number; closeCode: number; expose: boolean }>;

/** The stable codes of {@link TunnelError}: switch on them. */
export type TunnelErrorCode = keyof typeof catalogue;

/** What {@link TunnelError} takes besides its code and message. */
export interface TunnelErrorDetails {
  cause?: unknown;
  /** Instead of the code's own status. */
  status?: number;
  /** Extra headers of the HTTP answer. */
  headers?: Readonly<Record<string, string>>;
  /** Instead of the message, in the HTTP answer. */
  body?: string;
  /** What only the operator may know: added to the reason in the event and in the log, never part of the answer. */
  detail?: string;
}

/** The one error class of the package: a wrong option, a runtime that is not supported, or a refused request. */
export class TunnelError extends Error {
  override readonly name = 'TunnelError';
  readonly code: TunnelErrorCode;
  /** The HTTP answer. */
  readonly status: number;
  /** The Close after the upgrade (with `refuseWith: 'close'`: 4000 + status). */
  readonly closeCode: number;
  /** Whether the message may be shown to the client (as `http-errors` has it). */
  readonly expose: boolean;
  /** Extra headers of the HTTP answer (as `http-errors` has it). */
  readonly headers: Readonly<Record<string, string>>;
  /** The text of the HTTP answer. */
  readonly body: string;
  /** What only the operator may know, such as the Origin and what it was compared with. Don't show it to the client. */
  declare readonly detail: string | undefined;

  constructor(code: TunnelErrorCode, message: string, details: TunnelErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : {});
    const known = catalogue[code];
    this.code = code;
    this.status = details.status ?? known.status;
    this.closeCode = details.status === undefined ? known.closeCode : 4000 + details.status;
    this.expose = known.expose;
    this.headers = details.headers ?? {};
    // As `cause`: an app that answers with the error as JSON does not answer with this.
    Object.defineProperty(this, 'detail', { value: details.detail });
    this.body = details.body ?? (this.expose ? `${message}\n` : 'The tunnel could not be opened.\n');
  }
}

/** The message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  try {
    return String(thrown);
  } catch {
    // An object without a prototype.
    return 'something that has no text';
  }
}

/** Anything but a refusal is a defect of ours: it costs this one request. */
export function asRefusal(error: unknown): TunnelError {
  if (error instanceof TunnelError) return error;
  return new TunnelError('WSTUNNEL_HOOK_FAILED', messageOf(error), { cause: error });
}

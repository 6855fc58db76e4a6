import type { CloseCause } from '../types.js';

/** Close codes (RFC 6455 section 7.4.1); 1005 and 1006 are never sent. */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  noStatus: 1005,
  abnormal: 1006,
  notUtf8: 1007,
  policy: 1008,
  tooBig: 1009,
  internalError: 1011,
  /** 4000 + the status 409 (Conflict). */
  conflict: 4409,
} as const;

/** The close codes of an orderly end; 1005 is a Close without a code. */
export const ORDERLY: readonly number[] = [CLOSE.normal, CLOSE.noStatus];

/**
 * All causes that end a tunnel, with their close codes and the file that decides. The close codes of refusals, which come before
 * a tunnel, are in `errors.ts`.
 *
 * The names are written from the view of the server. At a client's end (`src/client/`) the peer is the server, and the backend is
 * the local program.
 */
const CODE_OF = {
  // Decided in frames/websocket-stream.ts, by what the client sends or fails to send.
  /** The default; the code of the client's Close has precedence. */
  'client-closed': CLOSE.noStatus,
  'client-ended': CLOSE.abnormal,
  'client-lost': CLOSE.abnormal,
  'client-silent': CLOSE.abnormal,
  'close-timeout': CLOSE.abnormal,
  // Decided in frames/decoder.ts.
  'protocol-error': CLOSE.protocolError,
  'not-utf8': CLOSE.notUtf8,
  'frame-too-large': CLOSE.tooBig,
  // Decided in frames/frame-passage.ts.
  /** The default; the code of the backend's Close has precedence. */
  'backend-closed': CLOSE.noStatus,
  // Decided in streams/relay.ts, frames/frame-passage.ts and streams/backend-finish.ts; `backend-not-utf8` in frames/websocket-stream.ts.
  'backend-ended': CLOSE.normal,
  'backend-failed': CLOSE.internalError,
  'backend-not-utf8': CLOSE.internalError,
  undelivered: CLOSE.internalError,
  // Decided in streams/watch.ts.
  idle: CLOSE.goingAway,
  'max-duration': CLOSE.goingAway,
  'read-timeout': CLOSE.internalError,
  'write-timeout': CLOSE.internalError,
  /** No Close frame is sent: the frame would be queued after the bytes that the client does not accept. */
  'client-stalled': CLOSE.abnormal,
  // Decided by the app, in tunnel/ and wstunnel.ts: close(), end() and `refuseWith: 'close'`. The app may give another code.
  drain: CLOSE.goingAway,
  'ended-by-app': CLOSE.policy,
  /** Decided in tunnel/take-over.ts. */
  replaced: CLOSE.conflict,
  refused: CLOSE.policy,
  // Decided in tunnel/login/, by the checks of `revalidate`.
  'login-ended': CLOSE.policy,
  'user-changed': CLOSE.policy,
  'login-unclear': CLOSE.policy,
  /** Decided in tunnel/recording.ts. */
  'recording-failed': CLOSE.internalError,
  // Decided in vnc/, by the filter of the option `vnc`, and in streams/watch.ts.
  'vnc-error': CLOSE.policy,
  'input-idle': CLOSE.goingAway,
  /** Decided in tunnel/login/, by the checks of `revalidate`. */
  'rights-changed': CLOSE.policy,
  /** Decided in frames/text-messages.ts. */
  'message-too-large': CLOSE.tooBig,
  /** Decided in tunnel/control.ts. */
  'control-failed': CLOSE.internalError,
  destroyed: CLOSE.abnormal,
} as const satisfies Record<CloseCause, number>;

/** How a connection ended. The first Close, or the loss of the connection, decides. */
export interface Ending {
  readonly cause: CloseCause;
  readonly code: number;
  readonly reason: string;
}

/** `code`: default is the code of the cause. */
export function endingOf(cause: CloseCause, reason: string, code: number = CODE_OF[cause]): Ending {
  return { cause, code, reason };
}

/**
 * The close codes of ends that may have lost bytes: as the answer to an orderly Close, such a code says that the peer did not deliver
 * all of them.
 */
export const LOSSES: readonly number[] = [
  CODE_OF['backend-failed'],
  CODE_OF['read-timeout'],
  CODE_OF['write-timeout'],
  CODE_OF.undelivered,
];

/** The default close code of a cause. */
export function codeOf(cause: CloseCause): number {
  return CODE_OF[cause];
}

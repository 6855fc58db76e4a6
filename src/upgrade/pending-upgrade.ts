import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** What a claim hands over: the bare socket, and the headers that the app wants on the 101. */
export interface ClaimedSocket {
  readonly socket: Duplex;
  /** What the client sent behind its handshake. */
  readonly head: Buffer;
  /** `Name: value` lines for the 101: cookies, rate limits, security headers. */
  readonly headers: readonly string[];
  /** False once the server has stopped listening. */
  isServed(): boolean;
}

/**
 * Only a `waiting` upgrade can be claimed: later it is `claimed`, the app has `answered`, the client is `gone`, or the
 * server has `stopped` listening.
 */
export type PendingState = 'waiting' | 'claimed' | 'answered' | 'gone' | 'stopped';

/** An upgrade on its way through the app, remembered for the tunnel that may claim it. */
export interface PendingUpgrade {
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  readonly state: PendingState;
  /** When the request arrived, by `performance.now()`. */
  readonly arrived: number;
  /**
   * The request has found its tunnel: from here on the tunnel answers for the time, its `handshakeTimeout` in seconds, and no
   * other listener is offered the upgrade.
   */
  reached(handshakeTimeout: number): void;
  /**
   * Takes the socket from the response, which is finished virtually with status 101, so that whatever waits for its end
   * (a session's save, a log line, a rate limit) runs now. Where that does not happen before `signal` aborts, the client
   * is answered with the status of the reason, and the promise rejects.
   */
  claim(signal: AbortSignal): Promise<ClaimedSocket>;
}

// Registered, so that two copies of this package in one process understand each other.
const PENDING = Symbol.for('express-wstunnel.pending.2');

type Carrier = IncomingMessage & { [PENDING]?: PendingUpgrade };

export function setPending(req: IncomingMessage, pending: PendingUpgrade): void {
  (req as Carrier)[PENDING] = pending;
}

/** Undefined where the request did not arrive as an upgrade: nothing of ours listened when Node read its header. */
export function pendingOf(req: IncomingMessage): PendingUpgrade | undefined {
  return (req as Carrier)[PENDING];
}

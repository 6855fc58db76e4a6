import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AbortState } from '../helpers/abort.js';
import type { KeptRequest } from './kept-request.js';

/** The result of a claim: the bare socket, and the headers that the app wants on the 101 response. */
export interface ClaimedSocket {
  readonly socket: Duplex;
  /** Bytes that the client sent after the request. */
  readonly head: Buffer;
  /** `Name: value` lines for the 101 response: cookies, rate limits, security headers. */
  readonly headers: readonly string[];
  /** False once the server has stopped listening. */
  isServed(): boolean;
}

/**
 * Only a `waiting` upgrade can be claimed. Afterwards the upgrade is `claimed`, or the app has `answered`, the client is `gone`,
 * or the server has `stopped` listening.
 */
export type PendingState = 'waiting' | 'claimed' | 'answered' | 'gone' | 'stopped';

/** An upgrade on its way through the app, attached to the request for the tunnel that may claim it. */
export interface PendingUpgrade {
  /** Aborts when the client has gone. */
  readonly signal: AbortState;
  readonly state: PendingState;
  /** The arrival of the request, by `performance.now()`. */
  readonly arrived: number;
  /**
   * The request has reached a tunnel. From now on the tunnel's deadline counts (`handshakeTimeout`, in seconds), and other
   * listeners do not get the upgrade.
   */
  reached(handshakeTimeout: number): void;
  /**
   * Takes the socket from the response and finishes the response without a socket, with status 101, so that middleware sees
   * the end of the response (a session's save, a log line, a rate limit). If `signal` aborts first, the client gets the
   * status of the signal's reason, and the promise rejects with that reason. If no middleware watches the response, the
   * method returns the socket itself, or throws.
   */
  claim(signal: AbortState): ClaimedSocket | Promise<ClaimedSocket>;
  /** The parts of the request that login checks need. Missing in an older copy of this package. */
  keep?(): KeptRequest;
}

// In the global registry, so that two copies of this package in one process understand each other.
const PENDING = Symbol.for('express-wstunnel.pending.2');

type MarkedRequest = IncomingMessage & { [PENDING]?: PendingUpgrade };

export function setPending(req: IncomingMessage, pending: PendingUpgrade): void {
  (req as MarkedRequest)[PENDING] = pending;
}

/** Undefined if the request did not arrive as an upgrade: the server had no listener of ours when Node read the header. */
export function pendingOf(req: IncomingMessage): PendingUpgrade | undefined {
  return (req as MarkedRequest)[PENDING];
}

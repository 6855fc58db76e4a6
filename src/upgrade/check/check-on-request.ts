import type { IncomingMessage } from 'node:http';
import type { AbortSource } from '../../helpers/abort.js';
import type { KeptGrant } from '../../request/grant.js';

/** How the request of a login check ended. */
export type CheckOutcome =
  /** A tunnel was reached, and its guards let the request pass. `owner`: the tunnel object. */
  | {
      readonly kind: 'reached';
      readonly owner: unknown;
      readonly user: string | undefined;
      /** What the client may do at a VNC server, as a text to compare with that of the tunnel. */
      readonly rights?: string | undefined;
    }
  /** The app, or a guard of a tunnel, answered with this status. */
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** Seconds, by the header `Retry-After` of a 429 or 503. */
      readonly retryAfter?: number | undefined;
    }
  | { readonly kind: 'unanswered'; readonly reason: string };

/** A login check, attached to its request for the tunnel that the request may reach. */
export interface CheckOnRequest {
  /** Aborts at the check's deadline, and when the tunnel closes. */
  readonly signal: AbortSource;
  /** The grant with which the tunnel was opened. */
  readonly granted?: KeptGrant | undefined;
  /** The request has reached a tunnel and passed the guards of the tunnel. */
  reached(owner: unknown, user: string | undefined, rights: string | undefined): void;
  /** The request has reached a tunnel, whose guards refuse with this status. */
  refused(status: number): void;
}

// In the global registry, so that two copies of this package in one process understand each other.
const CHECK = Symbol.for('express-wstunnel.check.1');

type MarkedRequest = IncomingMessage & { [CHECK]?: CheckOnRequest; wstunnelCheck?: boolean };

/** `req.wstunnelCheck` is documented: loggers and rate limiters read it. */
export function markCheck(req: IncomingMessage, check: CheckOnRequest): void {
  const marked: MarkedRequest = req;
  marked[CHECK] = check;
  marked.wstunnelCheck = true;
}

/** Undefined for a client's request. */
export function checkOf(req: IncomingMessage): CheckOnRequest | undefined {
  return (req as MarkedRequest)[CHECK];
}

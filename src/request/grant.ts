import type { IncomingMessage } from 'node:http';
import type { HookContext, Host } from '../types.js';

/** The target, user and rights that a ticket or a token gives to one request, in place of the options. */
export interface Grant {
  /** In place of the option `server`. */
  target?: Host | Host[];
  /** In place of the hook `user`. */
  user?: string;
  /** Seconds, above 0. Lowers the option `maxDuration`, and never raises it. */
  maxDuration?: number;
  /** The backend is a VNC server, and the client watches only, whatever the option `vnc` says. */
  viewOnly?: boolean;
}

/**
 * Called once per request, after the checks of address, origin and `authenticate`, before `user`, limits and hosts. `undefined`: no
 * grant. For a grant without a `target`, the function `server` itself is called. A TunnelError refuses with its status, any other throw
 * with 500. A login check (`revalidate`) does not ask again: the grant of the opening request still counts.
 */
export type AskGrant<Req> = (
  req: Req,
  context: HookContext,
) => Grant | undefined | Promise<Grant | undefined>;

/** The key of a `server` function's {@link AskGrant}. In the global registry, since two copies of this package may be in one process. */
export const GRANTS = Symbol.for('express-wstunnel.grants.1');

/** Marks a source of `express-wstunnel/tokens`, which is not a `server` function: its first argument is a token. */
export const TOKEN_SOURCE = Symbol.for('express-wstunnel.token-source.1');

/** The part of a grant that an open tunnel keeps for its login checks. */
export interface KeptGrant {
  readonly user?: string | undefined;
  readonly viewOnly?: boolean | undefined;
  /** The id of the ticket, from which the ticket can't be computed. */
  readonly ticket?: string | undefined;
  /** A hash of the session to which the ticket is bound. */
  readonly session?: string | undefined;
}

/** Undefined unless the option `server` is a function that gives grants. */
export function grantsOf<Req extends IncomingMessage>(server: unknown): AskGrant<Req> | undefined {
  if (typeof server !== 'function') return undefined;
  const ask = (server as { [GRANTS]?: unknown })[GRANTS];
  return typeof ask === 'function' ? (ask as AskGrant<Req>) : undefined;
}

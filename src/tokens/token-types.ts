import type { IncomingMessage } from 'node:http';
import type { Host } from '../types.js';

/** Where a token leads to, and what its tunnel may do. */
export interface TokenAnswer {
  target: Host | Host[];
  /** The user, for events, limits and `end()`, in place of the option `user`. */
  user?: string;
  /** Kept with the tunnel. No effect yet: the client can write to the backend. */
  viewOnly?: boolean;
  /** Seconds after which the tunnel ends; a lower `maxDuration` of the options wins. */
  maxDuration?: number;
}

/** The last argument of a source. */
export interface TokenContext {
  readonly req: IncomingMessage;
  /** Aborted when the client disconnects, `handshakeTimeout` has passed, or the tunnel closes. */
  readonly signal: AbortSignal;
  /** Adds a reason to the refusal, for the operator only: the client does not see it. Leave the token out. */
  readonly note: (reason: string) => void;
}

/**
 * Looks a token up. Returns the answer, or undefined for a token that this source does not know; then the next source is asked. A throw
 * or rejection refuses the request, and no further source is asked.
 */
export type TokenSource = (
  token: string,
  context: TokenContext,
) => TokenAnswer | undefined | Promise<TokenAnswer | undefined>;

/** Properties of the sources of this package. The app's own sources have none. */
interface SourceTraits {
  /** Not only the operator writes the entries, which could name any host without `targets`. */
  readonly needsTargets?: true;
  /** Reads the files and loads the packages of the source. Rejects with the fault. */
  readonly open?: (warn: (line: string) => void) => Promise<void>;
  /** Is the token of an open tunnel still valid? Undefined if that can't be found out now. Default: a new look-up. */
  readonly recheck?: (token: string, context: TokenContext) => Promise<boolean | undefined>;
}

const traits = new WeakMap<TokenSource, SourceTraits>();

export function withTraits(source: TokenSource, ofSource: SourceTraits): TokenSource {
  traits.set(source, ofSource);
  return source;
}

export function traitsOf(source: TokenSource): SourceTraits {
  return traits.get(source) ?? {};
}

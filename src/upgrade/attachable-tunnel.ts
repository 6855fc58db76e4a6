import type { IncomingMessage } from 'node:http';
import type { TunnelError } from '../errors.js';
import type { Lease } from '../helpers/lease.js';
import type { Reach } from './app/find-tunnels.js';

/** A tunnel, as this room knows it. */
export interface UpgradeTarget {
  /** Seconds from the upgrade to the 101. */
  readonly handshakeTimeout: number;
  /** Does the tunnel attach to servers by itself? False once it has been closed. */
  isAutomatic(): boolean;
  /** Has a router taken the tunnel's middleware? Not where a function of the app's own calls it. */
  isMounted(): boolean;
  /** Does the tunnel take this path, as the path is within the mount? `maybe`: a rule decides. */
  takes(path: string): Reach;
  /** Counts a request that leads to this tunnel, or says why it is refused. */
  start(req: IncomingMessage): Lease | TunnelError;
  /** Warns the developer that an upgrade for this path went to another listener, perhaps past the tunnel. */
  warnOfMiss(path: string): void;
}

// Registered, so that two copies of this package in one process find each other's tunnels.
const TARGET = Symbol.for('express-wstunnel.target.1');

type Marked = CallableFunction & { [TARGET]?: UpgradeTarget };

/**
 * Makes the tunnel recognisable in an app's stack. The mark is on the method `attach`: tracing tools replace a middleware by
 * a wrapper of their own and copy its properties to it, but not those with a symbol as their name.
 */
export function markTarget({ attach }: { attach: CallableFunction }, target: UpgradeTarget): void {
  Object.defineProperty(attach, TARGET, { value: target });
}

/** What routers call the middleware in their stacks. */
const NAME = 'wstunnel';

/** A tracing tool (New Relic's on Express 5) may wrap the middleware in a function of its own that keeps only the name. */
export function isWrapped(handler: unknown): boolean {
  return typeof handler === 'function' && handler.name === NAME && !targetOf(handler);
}

/**
 * Express, its routers and Connect name each layer of their stacks after its function: the name is read when the middleware
 * is mounted. The function returned tells whether it was.
 */
export function watchMounting(middleware: CallableFunction): () => boolean {
  let isMounted = false;
  const get = () => {
    isMounted = true;
    return NAME;
  };
  Object.defineProperty(middleware, 'name', { get, configurable: true });
  return () => isMounted;
}

/** The tunnel whose middleware this is, if it is one. */
export function targetOf(handler: unknown): UpgradeTarget | undefined {
  if (typeof handler !== 'function') return undefined;
  const { attach } = handler as { attach?: unknown };
  return typeof attach === 'function' ? (attach as Marked)[TARGET] : undefined;
}

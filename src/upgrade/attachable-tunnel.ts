import type { IncomingMessage } from 'node:http';
import type { TunnelError } from '../errors.js';
import type { Lease } from '../helpers/lease.js';
import type { Reach } from './path-reach.js';

/** A tunnel as seen by the code that finds it in apps and sends it upgrades. Another copy of this package may have made it. */
export interface AttachableTunnel {
  /** Seconds from the upgrade to the 101 response. */
  readonly handshakeTimeout: number;
  /** Does the tunnel attach to servers automatically? False once it is closed. */
  isAutomatic(): boolean;
  /** Has a router mounted the tunnel's middleware? False where a function of the app calls it. */
  isMounted(): boolean;
  /** Does the tunnel take this path (within its mount)? `maybe`: a rule decides. */
  takes(path: string): Reach;
  /** Counts an upgrade that leads to this tunnel; returns the refusal where there are too many. */
  start(req: IncomingMessage): Lease | TunnelError;
  /** Warns the developer that an upgrade for this path went to another listener, and may have been meant for this tunnel. */
  warnOfMiss(path: string): void;
}

// In the global registry, so that two copies of this package in one process find each other's tunnels.
const TUNNEL = Symbol.for('express-wstunnel.target.1');

type MarkedMethod = CallableFunction & { [TUNNEL]?: AttachableTunnel };

/**
 * Makes the tunnel recognisable in an app's stack. The method `attach` carries the mark: tracing tools replace a middleware by
 * a wrapper and copy its properties, except those whose name is a symbol.
 */
export function markTunnel({ attach }: { attach: CallableFunction }, tunnel: AttachableTunnel): void {
  Object.defineProperty(attach, TUNNEL, { value: tunnel });
}

/** The name of the middleware in a router's stack. */
const NAME = 'wstunnel';

/** A tracing tool (New Relic's on Express 5) may wrap the middleware in a function that copies its name alone. */
export function isWrapped(handler: unknown): boolean {
  return typeof handler === 'function' && handler.name === NAME && !tunnelOfHandler(handler);
}

/**
 * Express, its routers and Connect name each layer of their stacks after its function: they read the name when the middleware
 * is mounted. The returned function tells whether that has happened.
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

/** The tunnel whose middleware this handler is; undefined for every other handler. */
export function tunnelOfHandler(handler: unknown): AttachableTunnel | undefined {
  if (typeof handler !== 'function') return undefined;
  const { attach } = handler as { attach?: unknown };
  return typeof attach === 'function' ? (attach as MarkedMethod)[TUNNEL] : undefined;
}

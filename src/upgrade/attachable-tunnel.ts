import type { IncomingMessage } from 'node:http';
import type { TunnelError } from '../errors.js';
import type { Lease } from '../helpers/lease.js';
import type { Reach } from './path-reach.js';

/** A tunnel for the code that finds tunnels in apps and sends upgrades there. Another copy of this package may have made the object. */
export interface AttachableTunnel {
  /** Seconds from the upgrade to the 101 response. */
  readonly handshakeTimeout: number;
  /** Does the tunnel attach to servers automatically? False once the tunnel is closed. */
  isAutomatic(): boolean;
  /** Has a router mounted the tunnel's middleware? False if a function of the app calls the middleware. */
  isMounted(): boolean;
  /** Does the tunnel take this path (within the mount)? `maybe`: a rule decides. `query`: with a ticket, the answer may differ. */
  takes(path: string, query?: string): Reach;
  /** Counts an upgrade that leads to this tunnel. Returns the refusal if there are too many upgrades. */
  start(req: IncomingMessage): Lease | TunnelError;
  /** Warns the developer about an upgrade that went to another listener and may have been meant for this tunnel. */
  warnOfMiss(path: string): void;
}

// In the global registry, so that two copies of this package in one process find each other's tunnels.
const TUNNEL = Symbol.for('express-wstunnel.target.1');

type MarkedMethod = CallableFunction & { [TUNNEL]?: AttachableTunnel };

/**
 * Makes the tunnel recognisable in an app's stack. The method `attach` carries the mark: tracing tools replace a middleware
 * by a wrapper and copy the properties with string names, but no symbols.
 */
export function markTunnel({ attach }: { attach: CallableFunction }, tunnel: AttachableTunnel): void {
  Object.defineProperty(attach, TUNNEL, { value: tunnel });
}

/** The name of the middleware in a router's stack. */
const NAME = 'wstunnel';

/** A tracing tool (New Relic's on Express 5) may wrap the middleware in a function that copies only the name. */
export function isWrapped(handler: unknown): boolean {
  return typeof handler === 'function' && handler.name === NAME && !tunnelOfHandler(handler);
}

/**
 * Express, Express's routers and Connect read the name of a middleware when the app mounts the middleware. The returned
 * function tells whether the name was read.
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

/** The tunnel of this middleware; undefined for every other handler. */
export function tunnelOfHandler(handler: unknown): AttachableTunnel | undefined {
  if (typeof handler !== 'function') return undefined;
  const { attach } = handler as { attach?: unknown };
  return typeof attach === 'function' ? (attach as MarkedMethod)[TUNNEL] : undefined;
}

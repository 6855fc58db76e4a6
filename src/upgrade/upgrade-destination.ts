import type { AttachableTunnel } from './attachable-tunnel.js';
import type { Reach } from './path-reach.js';

/** The tunnels that an upgrade may lead to. */
export interface UpgradeDestination {
  readonly reach: Reach;
  /** Seconds until the 101 response: the longest time of the tunnels in question. */
  readonly handshakeTimeout: number;
  /** The tunnel that counts the upgrade among its openings, if one is known. */
  readonly tunnel?: AttachableTunnel | undefined;
  /** A tunnel was found in the app or is attached: there is no need to remember the path. */
  readonly isLocated?: boolean;
}

import type { Outlets } from './log/command-outlets.js';
import type { StateLink } from './shared/state-link.js';
import type { Addresses } from './startup/announcements.js';

/** The parts of a worker: its supervisor has bound the sockets, and prints and logs for all workers. */
export interface WorkerParts {
  /** The position of the worker, counted from 1. */
  readonly number: number;
  /** The state of all workers, in the supervisor. */
  readonly link: StateLink;
  readonly outlets: Outlets;
  /** A bound socket for each listen address. */
  readonly handles: readonly unknown[];
  readonly cookieKey: Buffer;
  readonly ticketKeys: Buffer;
  /** The shared state was reached, or is reached no longer. */
  readonly onShared: (isUp: boolean) => void;
  readonly onReady: (addresses: Addresses) => void;
  /** Gets the errors of a failed reload; no errors after a successful one. */
  readonly onReload: (errors: readonly string[]) => void;
}

import type { Outlets } from './log/command-outlets.js';
import type { Addresses } from './startup/announcements.js';

/** The parts of a worker: its supervisor has bound the sockets, and prints and logs for all workers. */
export interface WorkerParts {
  readonly outlets: Outlets;
  /** A bound socket for each listen address. */
  readonly handles: readonly unknown[];
  readonly cookieKey: Buffer;
  readonly ticketKeys: Buffer;
  readonly onReady: (addresses: Addresses) => void;
  /** Gets the errors of a failed reload; no errors after a successful one. */
  readonly onReload: (errors: readonly string[]) => void;
}

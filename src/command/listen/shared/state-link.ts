import type { Backplane } from '../../../replicas/backplane.js';
import type { ReplicaSettings } from '../../../replicas/replica-settings.js';

/** The connection to the other processes that share the state of this one. */
export interface StateLink {
  readonly backplane: Backplane;
  readonly settings: ReplicaSettings;
  /** The name of the store, for messages. */
  readonly name: string;
  /** Does the store belong to this command? Then only its failures are reported. */
  readonly isOwn: boolean;
  /** The last failure of the connection, if there is one. */
  readonly failure: () => string | undefined;
  readonly close: () => void;
}

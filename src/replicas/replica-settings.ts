/** The options of a shared state, with defaults. */
export interface ReplicaSettings {
  /** The name of this replica, unlike that of any other. */
  readonly name: string;
  /** Seconds without a heartbeat after which the other replicas take this one for dead. */
  readonly ttl: number;
  /** Seconds for the store to answer. */
  readonly timeout: number;
  /** While the store is down: count within this replica, or refuse new tunnels. */
  readonly whenDown: 'local' | 'refuse';
}

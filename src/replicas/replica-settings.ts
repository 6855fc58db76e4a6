import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/** The options of a shared state, with defaults. */
export interface ReplicaSettings {
  /** The name of this replica for people, which should differ from all other names. */
  readonly name: string;
  /** Seconds without a heartbeat after which this replica counts as dead, and its slots are free. */
  readonly ttl: number;
  /** Seconds for the store to answer. */
  readonly timeout: number;
  /** While the store is down: `'local'` counts within this replica, `'refuse'` refuses new tunnels. */
  readonly whenDown: 'local' | 'refuse';
}

/** The host name and the process id for people, and random letters, since two containers may have the same host name and process id. */
export function newReplicaName(): string {
  return `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
}

/**
 * A unique address of this process among the replicas. Two processes with the same name must not share counts, nor miss each
 * other's ends.
 */
export function newAddress(name: string): string {
  return `${name}#${randomBytes(4).toString('hex')}`;
}

/** The name for people, from an address. */
export function nameOfAddress(address: string): string {
  const end = address.lastIndexOf('#');
  return end === -1 ? address : address.slice(0, end);
}

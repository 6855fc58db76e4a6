import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

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

/** The host's name and the process id for people, and random letters, since containers may have the same of both. */
export function newReplicaName(): string {
  return `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
}

/** The address of this process among the replicas: two processes with one name must not share counts, nor miss each other's ends. */
export function newAddress(name: string): string {
  return `${name}#${randomBytes(4).toString('hex')}`;
}

/** The name in an address, for people. */
export function nameOfAddress(address: string): string {
  const end = address.lastIndexOf('#');
  return end === -1 ? address : address.slice(0, end);
}

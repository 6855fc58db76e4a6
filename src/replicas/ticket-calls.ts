import type { Backplane } from './backplane.js';
import { StoreError, withDeadline } from './deadline.js';
import type { Replica } from './replica.js';
import type { ReplicaSettings } from './replica-settings.js';
import type { TicketOutcome } from './ticket-memory.js';

/**
 * The calls about tickets in the store. Unlike a failed call about counts, a failed call about tickets does not make the replica join
 * again: the counts are still right, and a store of an earlier version (the primary of node:cluster during a rollout) never answers.
 */
export class TicketCalls {
  readonly #backplane: Backplane;
  readonly #settings: ReplicaSettings;
  readonly #replica: Pick<Replica, 'isUp'>;

  constructor(backplane: Backplane, settings: ReplicaSettings, replica: Pick<Replica, 'isUp'>) {
    this.#backplane = backplane;
    this.#settings = settings;
    this.#replica = replica;
  }

  /** May this process keep tickets of its own while the store is down? */
  get isLocalAllowed(): boolean {
    return this.#settings.whenDown === 'local';
  }

  /** Returns false if the store is full. */
  put(id: string, content: string, milliseconds: number): Promise<boolean> {
    return this.#call(() => this.#backplane.putTicket(id, content, milliseconds));
  }

  take(id: string): Promise<TicketOutcome<string>> {
    return this.#call(() => this.#backplane.takeTicket(id));
  }

  async #call<T>(act: () => Promise<T>): Promise<T> {
    if (!this.#replica.isUp) throw new StoreError('the store is not reached');
    return withDeadline(this.#settings.timeout, act);
  }
}

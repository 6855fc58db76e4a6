import type { ChildProcess } from 'node:child_process';
import { ChannelBackplane, serveStore } from '../../../replicas/channel.js';
import { MemoryStore } from '../../../replicas/memory-backplane.js';
import { processChannel } from '../../../replicas/process-channel.js';
import { newReplicaName } from '../../../replicas/replica-settings.js';
import type { StateLink } from '../shared/state-link.js';

/** The name of the store in messages. */
const STORE = 'workers.1';

/** Seconds without a heartbeat after which the slots of a worker are free. The slots of a worker that ends are free at once. */
const TTL = 45;
/** Seconds for the supervisor to answer. */
const TIMEOUT = 1;

/** The state that all workers share, in the supervisor. */
export class WorkerStore {
  readonly #store = new MemoryStore(TTL);

  /** Serves a worker. Returns a function that ends the service and frees the slots of the worker. */
  serve(worker: ChildProcess): () => void {
    return serveStore(this.#store, STORE, processChannel(worker));
  }
}

/** The connection of a worker to this state. */
export function linkToSupervisor(): StateLink {
  return {
    backplane: new ChannelBackplane(processChannel(process), STORE),
    settings: { name: newReplicaName(), ttl: TTL, timeout: TIMEOUT, whenDown: 'local' },
    name: 'the state of all workers',
    isOwn: true,
    failure: () => undefined,
    close: () => undefined,
  };
}

/** Is this a message of the store, and not of the supervisor or worker itself? */
export function isStoreMessage(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'wstunnelStore' in message;
}

import type { ListenSockets } from './listen-sockets.js';
import type { WorkerSlot } from './worker-slot.js';

/** Lends the sockets of each worker that is down to a running worker, until the owner runs again. */
export class Covers {
  readonly #slots: readonly WorkerSlot[];
  readonly #sockets: Pick<ListenSockets, 'own'>;
  /** The worker that serves the sockets of each owner that is down. */
  readonly #byOwner = new Map<WorkerSlot, WorkerSlot>();

  constructor(slots: readonly WorkerSlot[], sockets: Pick<ListenSockets, 'own'>) {
    this.#slots = slots;
    this.#sockets = sockets;
  }

  /** To be called after each change of a worker's state. */
  update(): void {
    for (const owner of this.#slots) {
      const cover = this.#byOwner.get(owner);
      if (owner.isRunning) {
        this.#byOwner.delete(owner);
        if (cover?.isRunning === true) cover.release(owner.number);
      } else if (cover?.isRunning !== true) this.#cover(owner);
    }
  }

  #cover(owner: WorkerSlot): void {
    const sockets = this.#sockets.own(owner.number);
    // The next running worker: otherwise one worker would serve the sockets of all workers that are down.
    const after = this.#slots.slice(owner.number);
    const cover = [...after, ...this.#slots].find((slot) => slot.isRunning);
    if (!cover || sockets.length === 0) return;
    this.#byOwner.set(owner, cover);
    for (const { index, handle } of sockets) cover.lend(owner.number, index, handle);
  }
}

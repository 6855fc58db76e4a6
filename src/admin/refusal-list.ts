import type { RefuseInfo } from '../types.js';
import type { AdminRefusal } from './admin-state.js';
import { shortened } from './shortened.js';

/** Limit of refusals that are kept. */
export const MOST_REFUSALS = 100;

/** The latest refusals. Nothing is kept before the first call of `keep`. */
export class RefusalList {
  #kept: AdminRefusal[] | undefined;
  /** The index of the oldest refusal once the list is full. */
  #oldest = 0;

  keep(): void {
    this.#kept ??= [];
  }

  add({ address, user, url, status, code, reason }: RefuseInfo): void {
    const kept = this.#kept;
    if (!kept) return;
    const refusal: AdminRefusal = {
      time: Date.now(),
      address: shortened(address),
      ...(user !== undefined && { user: shortened(user) }),
      url: shortened(url),
      status,
      code,
      reason: shortened(reason),
    };
    if (kept.length < MOST_REFUSALS) {
      kept.push(refusal);
      return;
    }
    kept[this.#oldest] = refusal;
    this.#oldest = (this.#oldest + 1) % MOST_REFUSALS;
  }

  newestFirst(): AdminRefusal[] {
    const kept = this.#kept ?? [];
    return [...kept.slice(this.#oldest), ...kept.slice(0, this.#oldest)].reverse();
  }
}

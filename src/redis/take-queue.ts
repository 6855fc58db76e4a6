import type { SlotRequest, TakeOutcome } from '../replicas/backplane.js';
import { withDeadline } from '../replicas/deadline.js';

/** Most calls without an answer at once: the second call begins while the answer to the first is on its way. */
const MOST_CALLS = 2;

/** Limit of names in one call, since Redis does nothing else while a script runs. */
const MOST_NAMES = 250;

/** Limit of queued requests. */
const MOST_QUEUED = 10_000;

type Slots = readonly SlotRequest[];

/** Sends several requests of one replica to Redis in one call. */
type Ask = (replica: string, requests: readonly Slots[]) => Promise<readonly TakeOutcome[]>;

interface Queued {
  readonly replica: string;
  readonly slots: Slots;
  readonly resolve: (outcome: TakeOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Sends requests for slots. A single request is sent at once. While calls wait for their answers, further requests are queued, and
 * sent together in one call: each call costs this process more than a request does, and a storm of reconnects has hundreds at once.
 */
export class TakeQueue {
  readonly #ask: Ask;
  readonly #timeout: number;
  #queued: Queued[] = [];
  #calls = 0;

  /** `timeout`: seconds after which a call without an answer no longer delays queued requests. */
  constructor(ask: Ask, timeout: number) {
    this.#ask = ask;
    this.#timeout = timeout;
  }

  take(replica: string, slots: Slots): Promise<TakeOutcome> {
    if (this.#queued.length >= MOST_QUEUED)
      return Promise.reject(new Error('too many requests for slots are queued'));
    return new Promise((resolve, reject) => {
      this.#queued.push({ replica, slots, resolve, reject });
      if (this.#calls < MOST_CALLS) void this.#send();
    });
  }

  async #send(): Promise<void> {
    this.#calls++;
    for (let part = this.#next(); part.length > 0; part = this.#next()) await this.#sendOne(part);
    this.#calls--;
  }

  async #sendOne(part: readonly Queued[]): Promise<void> {
    const requests = part.map(({ slots }) => slots);
    try {
      const outcomes = await withDeadline(this.#timeout, () => this.#ask(part[0]?.replica ?? '', requests));
      for (const [index, { resolve, reject }] of part.entries()) {
        const outcome = outcomes[index];
        if (outcome) resolve(outcome);
        else reject(new Error('the answer of Redis is too short'));
      }
    } catch (error) {
      for (const { reject } of part) reject(error);
    }
  }

  /** The first queued requests with the same replica id: the id changes at a join. */
  #next(): readonly Queued[] {
    let names = 0;
    const replica = this.#queued[0]?.replica;
    const end = this.#queued.findIndex((one, index) => {
      names += one.slots.length;
      return one.replica !== replica || (index > 0 && names > MOST_NAMES);
    });
    return this.#queued.splice(0, end === -1 ? this.#queued.length : end);
  }
}

import type { StoredEnd } from './backplane.js';
import { isAfter } from './end-ids.js';
import { readEndCall, type EndCall } from './messages.js';

/** Limit of remembered results of ends that were applied before their messages arrived. */
const MAX_RESULTS = 1000;

/** Applies ends of other replicas, each once and in order. */
export class StoredEnds {
  readonly #name: string;
  readonly #after: (id: string) => Promise<{ ends: readonly StoredEnd[]; isComplete: boolean }>;
  readonly #apply: (call: EndCall, at: number) => number;
  readonly #lost: () => void;
  readonly #unreadable: () => void;
  /** Counts of ended tunnels by the id of the end, until the message arrives. */
  readonly #results = new Map<string, number>();
  #last: string | undefined;
  #catchingUp: Promise<void> | undefined;

  constructor(settings: {
    /** The address of this replica, whose own ends are already applied. */
    name: string;
    endsAfter: (id: string) => Promise<{ ends: readonly StoredEnd[]; isComplete: boolean }>;
    /** Ends tunnels of this process, and returns how many. `at`: milliseconds on the store's clock. */
    apply: (call: EndCall, at: number) => number;
    /** Ends were forgotten by the store before this replica could read them. */
    lost: () => void;
    /** A text in the list could not be read, such as an end of a later version of this package. */
    unreadable?: () => void;
  }) {
    this.#name = settings.name;
    this.#after = settings.endsAfter;
    this.#apply = settings.apply;
    this.#lost = settings.lost;
    this.#unreadable = settings.unreadable ?? (() => undefined);
  }

  /** To be called at the first join. `last`: an id before the start of this process, which has no older tunnels. */
  begin(last: string): void {
    this.#last ??= last;
  }

  /**
   * To be called after a join. The store may have been emptied, or its clock may have been set back: then new ends have lower ids
   * than ends that were applied before.
   */
  rejoined(last: string): void {
    if (this.#last !== undefined && isAfter(this.#last, last)) this.#last = last;
  }

  /** Notes an end of this replica, which need not be read from the store. */
  stored({ id, previous }: { readonly id: string; readonly previous: string }): void {
    if (this.#last !== undefined && !isAfter(previous, this.#last)) this.#last = id;
  }

  /**
   * Applies an end from a message. Returns the number of ended tunnels, or undefined before the first join and for a repeated
   * message.
   */
  async received(end: StoredEnd, previous: string): Promise<number | undefined> {
    if (this.#last === undefined) return undefined;
    // A message may have been lost.
    if (isAfter(end.id, this.#last) && previous !== this.#last) await this.caughtUp(previous);
    if (isAfter(end.id, this.#last)) return this.#applyOne(end);
    const result = this.#results.get(end.id);
    this.#results.delete(end.id);
    return result;
  }

  /** Resolves when all ends up to this id have been applied. */
  async caughtUp(last: string): Promise<void> {
    while (this.#last !== undefined && isAfter(last, this.#last)) {
      this.#catchingUp ??= this.#catchUp(this.#last, last).finally(() => (this.#catchingUp = undefined));
      await this.#catchingUp;
    }
  }

  async #catchUp(from: string, to: string): Promise<void> {
    const { ends, isComplete } = await this.#after(from);
    if (!isComplete) this.#lost();
    for (const end of ends) {
      if (this.#last === undefined || !isAfter(end.id, this.#last)) continue;
      this.#remember(end.id, this.#applyOne(end));
    }
    // The store may have forgotten the end: the read must not be repeated for ever.
    if (ends.length === 0 && this.#last !== undefined && isAfter(to, this.#last)) this.#last = to;
  }

  #remember(id: string, ended: number): void {
    this.#results.set(id, ended);
    if (this.#results.size <= MAX_RESULTS) return;
    const [oldest] = this.#results.keys();
    if (oldest !== undefined) this.#results.delete(oldest);
  }

  #applyOne(end: StoredEnd): number {
    this.#last = end.id;
    const call = readEndCall(end.text);
    if (call === undefined) {
      this.#unreadable();
      return UNREADABLE;
    }
    return call.from === this.#name ? 0 : this.#apply(call, end.at - (call.age ?? 0));
  }
}

/** The result of an end whose text could not be read. */
export const UNREADABLE = -1;

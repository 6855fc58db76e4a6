import type { StoredEnd } from './backplane.js';
import { readEndCall, type EndCall } from './messages.js';

/** Limit of counts that no message has asked for: messages may be lost. */
const MAX_UNREPORTED = 1000;

/** Applies ends of other replicas, each once and in order. */
export class StoredEnds {
  readonly #name: string;
  readonly #after: (id: string) => Promise<{ ends: readonly StoredEnd[]; isComplete: boolean }>;
  readonly #apply: (call: EndCall, at: number) => number;
  readonly #lost: () => void;
  #last: string | undefined;
  /** Ended tunnels by id, of ends that were read from the store before their message arrived. */
  readonly #unreported = new Map<string, number>();
  #catchingUp: Promise<void> | undefined;

  constructor(settings: {
    /** The name of this replica, whose own ends are applied already. */
    name: string;
    endsAfter: (id: string) => Promise<{ ends: readonly StoredEnd[]; isComplete: boolean }>;
    /** Ends tunnels of this process, and returns how many. `at`: milliseconds on the store's clock. */
    apply: (call: EndCall, at: number) => number;
    /** Ends were forgotten by the store before this replica could read them. */
    lost: () => void;
  }) {
    this.#name = settings.name;
    this.#after = settings.endsAfter;
    this.#apply = settings.apply;
    this.#lost = settings.lost;
  }

  /** A replica that starts has no tunnels: earlier ends do not concern it. */
  begin(last: string): void {
    this.#last ??= last;
  }

  /** An end of this replica, which needs not be read from the store. */
  stored({ id, previous }: { readonly id: string; readonly previous: string }): void {
    if (previous === this.#last) this.#last = id;
  }

  /** A message about an end. Returns the count of ended tunnels, or undefined if a message has reported this end before. */
  async received(end: StoredEnd, previous: string): Promise<number | undefined> {
    if (this.#last === undefined) return undefined;
    // A message may have been lost.
    if (isAfter(end.id, this.#last) && previous !== this.#last) await this.caughtUp(previous);
    if (isAfter(end.id, this.#last)) return this.#applyOne(end);
    const ended = this.#unreported.get(end.id);
    this.#unreported.delete(end.id);
    return ended;
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
    for (const end of ends)
      if (this.#last !== undefined && isAfter(end.id, this.#last)) this.#report(end.id, this.#applyOne(end));
    // The store may have forgotten the end: the search must not be repeated for ever.
    if (this.#last !== undefined && isAfter(to, this.#last)) this.#last = to;
  }

  #report(id: string, ended: number): void {
    const [oldest] = this.#unreported.keys();
    if (oldest !== undefined && this.#unreported.size >= MAX_UNREPORTED) this.#unreported.delete(oldest);
    this.#unreported.set(id, ended);
  }

  #applyOne(end: StoredEnd): number {
    this.#last = end.id;
    const call = readEndCall(end.text);
    return call === undefined || call.from === this.#name ? 0 : this.#apply(call, end.at);
  }
}

/** Compares ids of the form `1-0` or `1`. */
export function isAfter(id: string, other: string): boolean {
  const [a = 0, b = 0] = id.split('-').map(Number);
  const [c = 0, d = 0] = other.split('-').map(Number);
  return a > c || (a === c && b > d);
}

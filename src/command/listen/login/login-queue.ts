import { leaseOf, type Lease } from '../../../helpers/lease.js';
import type { LoginKeys, WrongLogins } from './wrong-logins.js';

/** Times in milliseconds. */
export interface QueueSettings {
  /** Logins of one client that may wait: a browser asks for six files at once, and people share addresses. */
  readonly perClient: number;
  /** Logins that may wait in all. */
  readonly total: number;
  /** How long a login waits at the most: less than `handshakeTimeout`, after which the tunnel gives up. */
  readonly wait: number;
  /** A login that finds no room is refused after this time: whoever asks again at once would take the processor. */
  readonly hold: number;
}

export const QUEUE: QueueSettings = { perClient: 16, total: 1024, wait: 15_000, hold: 1000 };

/** Clients of which the queue remembers when it last served them. */
const MAX_SERVED = 10_000;

/** `busy`: others were first until the time was over; `slowed`: the client was wrong too often; `gone`: the client left. */
export type QueueRefusal = 'busy' | 'slowed' | 'gone';

interface LoginAttempt extends LoginKeys {
  /** A login of this client was right before. */
  readonly isKnown: boolean;
  readonly signal?: AbortSignal | undefined;
}

interface Ticket extends LoginAttempt {
  /** Decides between equals. By the order of arrival whoever asks most often would always be first. */
  readonly luck: number;
  readonly give: (turn: Lease) => void;
  /** Once there is no room, or no time left. */
  readonly refuse: (delay: number) => void;
}

/**
 * One login is checked at a time; the others wait here. Clients with fewer wrong logins go first, then the one that was
 * served longest ago: a client that guesses holds up itself. Nothing here depends on whether a name exists.
 */
export class LoginQueue {
  readonly #guesses: WrongLogins;
  readonly #settings: QueueSettings;
  readonly #queued = new Set<Ticket>();
  /** How many of them are each client's. */
  readonly #loads = new Map<string, number>();
  /** The turn that each client last had; the oldest first. */
  readonly #served = new Map<string, number>();
  #turns = 0;
  #delayed = 0;
  #isBusy = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(guesses: WrongLogins, settings = QUEUE) {
    this.#guesses = guesses;
    this.#settings = settings;
  }

  /** Resolves to the turn, which ends with `release`, or says why there is none. */
  enter(asker: LoginAttempt): Promise<Lease | QueueRefusal> {
    const { signal } = asker;
    if (signal?.aborted === true) return Promise.resolve('gone');
    return new Promise((resolve) => {
      let endHold = () => {};
      const settle = (turn: Lease | QueueRefusal) => {
        clearTimeout(timer);
        endHold();
        signal?.removeEventListener('abort', onAbort);
        this.#leave(ticket);
        resolve(turn);
      };
      const ticket: Ticket = {
        ...asker,
        luck: Math.random(),
        give: settle,
        refuse: (delay) => {
          const why = this.#guesses.pause(asker) > 0 ? 'slowed' : 'busy';
          this.#leave(ticket);
          clearTimeout(timer);
          if (delay === 0) settle(why);
          else endHold = this.#delayRefusal(delay, () => settle(why));
        },
      };
      const onAbort = () => settle('gone');
      const timer = setTimeout(() => ticket.refuse(0), this.#settings.wait).unref();
      signal?.addEventListener('abort', onAbort);
      this.#queued.add(ticket);
      this.#loads.set(ticket.client, this.#loadOf(ticket) + 1);
      this.#makeRoom(ticket);
      this.#next();
    });
  }

  #leave(ticket: Ticket): void {
    if (!this.#queued.delete(ticket)) return;
    const load = this.#loadOf(ticket) - 1;
    if (load > 0) this.#loads.set(ticket.client, load);
    else this.#loads.delete(ticket.client);
  }

  /** Refuses a login of the client that has too many, or, where all have, of the one with the most and the worst record. */
  #makeRoom({ client }: Ticket): void {
    const { perClient, total, hold } = this.#settings;
    const isOver = (this.#loads.get(client) ?? 0) > perClient;
    if (!isOver && this.#queued.size <= total) return;
    const all = [...this.#queued].filter((one) => !isOver || one.client === client);
    const weightOf = (one: Ticket) => this.#loadOf(one) + this.#rankOf(one);
    const last = firstOf(all, (a, b) => weightOf(b) - weightOf(a) || a.luck - b.luck);
    last?.refuse(this.#delayed < total ? hold : 0);
  }

  /** Returns what ends it early. */
  #delayRefusal(delay: number, end: () => void): () => void {
    this.#delayed++;
    const timer = setTimeout(end, delay).unref();
    const lease = leaseOf(() => {
      this.#delayed--;
      clearTimeout(timer);
    });
    return () => lease.release();
  }

  #next(): void {
    clearTimeout(this.#timer);
    if (this.#isBusy || this.#queued.size === 0) return;
    const pauses = Array.from(this.#queued, (ticket) => ({ ticket, pause: this.#guesses.pause(ticket) }));
    const ready = pauses.filter(({ pause }) => pause <= 0).map(({ ticket }) => ticket);
    const first = firstOf(ready, (a, b) => this.#compare(a, b));
    if (first) {
      this.#isBusy = true;
      this.#noteTurn(first.client);
      first.give(leaseOf(() => this.#hasEnded()));
    } else {
      const soonest = Math.min(...pauses.map(({ pause }) => pause));
      this.#timer = setTimeout(() => this.#next(), Math.ceil(soonest)).unref();
    }
  }

  #hasEnded(): void {
    this.#isBusy = false;
    this.#next();
  }

  #noteTurn(client: string): void {
    this.#served.delete(client);
    this.#served.set(client, ++this.#turns);
    const [oldest] = this.#served.keys();
    if (this.#served.size > MAX_SERVED && oldest !== undefined) this.#served.delete(oldest);
  }

  #compare(a: Ticket, b: Ticket): number {
    return (
      this.#rankOf(a) - this.#rankOf(b) ||
      (this.#served.get(a.client) ?? 0) - (this.#served.get(b.client) ?? 0) ||
      this.#guesses.countsOf(a).pair - this.#guesses.countsOf(b).pair ||
      a.luck - b.luck
    );
  }

  #rankOf(ticket: Ticket): number {
    const { client } = this.#guesses.countsOf(ticket);
    return client === 0 && ticket.isKnown ? -1 : client;
  }

  #loadOf({ client }: Ticket): number {
    return this.#loads.get(client) ?? 0;
  }
}

/** The one that would be first if the list were sorted. */
function firstOf<T>(list: readonly T[], compare: (a: T, b: T) => number): T | undefined {
  const [head, ...rest] = list;
  return rest.reduce((best, one) => (best !== undefined && compare(one, best) < 0 ? one : best), head);
}

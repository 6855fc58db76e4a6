import { leaseOf, type Lease } from '../../../helpers/lease.js';
import type { LoginKeys, WrongLogins } from './wrong-logins.js';

/** Times in milliseconds. */
export interface QueueSettings {
  /** Most queued logins of one client. A browser requests six files at once, and people share addresses. */
  readonly perClient: number;
  /** Most queued logins of all clients together. */
  readonly total: number;
  /** Longest time in the queue: less than `handshakeTimeout`, after which the upgrade is refused. */
  readonly wait: number;
  /** Delay of the refusal if the queue is full: a client that retries at once would use up the processor. */
  readonly hold: number;
}

export const QUEUE: QueueSettings = { perClient: 16, total: 1024, wait: 15_000, hold: 1000 };

/** Most clients whose last turn is remembered. */
const MAX_SERVED = 10_000;

/** `busy`: no turn within the time limit; `slowed`: too many wrong logins of the client; `gone`: the client left. */
export type QueueRefusal = 'busy' | 'slowed' | 'gone';

interface LoginAttempt extends LoginKeys {
  /** The client has logged in before. */
  readonly isKnown: boolean;
  readonly signal?: AbortSignal | undefined;
}

interface Ticket extends LoginAttempt {
  /** A random number that decides between equal attempts. The order of arrival would favour the client with the most attempts. */
  readonly luck: number;
  readonly give: (turn: Lease) => void;
  /** Refuses the login, after `delay` ms. */
  readonly refuse: (delay: number) => void;
}

/**
 * Checks one login at a time, and queues the others. Clients with fewer wrong logins come first; among equals, the client with the
 * oldest last turn: a client that guesses delays only itself. Nothing here depends on whether a name exists.
 */
export class LoginQueue {
  readonly #guesses: WrongLogins;
  readonly #settings: QueueSettings;
  readonly #queued = new Set<Ticket>();
  /** The number of queued logins per client. */
  readonly #loads = new Map<string, number>();
  /** The last turn of each client; the oldest first. */
  readonly #served = new Map<string, number>();
  #turns = 0;
  #delayed = 0;
  #isBusy = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(guesses: WrongLogins, settings = QUEUE) {
    this.#guesses = guesses;
    this.#settings = settings;
  }

  /** Resolves to the turn, which the caller ends with `release`, or to the reason for a refusal. */
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

  /**
   * Over a limit, refuses one login. If the client is over its own limit: a login of the client; otherwise: a login of the client
   * with most queued and wrong logins.
   */
  #makeRoom({ client }: Ticket): void {
    const { perClient, total, hold } = this.#settings;
    const isOver = (this.#loads.get(client) ?? 0) > perClient;
    if (!isOver && this.#queued.size <= total) return;
    const all = [...this.#queued].filter((one) => !isOver || one.client === client);
    const weightOf = (one: Ticket) => this.#loadOf(one) + this.#rankOf(one);
    const last = firstOf(all, (a, b) => weightOf(b) - weightOf(a) || a.luck - b.luck);
    last?.refuse(this.#delayed < total ? hold : 0);
  }

  /** Calls `end` after the delay. Returns a function that cancels the call. */
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

/** The first element of the sorted list. */
function firstOf<T>(list: readonly T[], compare: (a: T, b: T) => number): T | undefined {
  const [head, ...rest] = list;
  return rest.reduce((best, one) => (best !== undefined && compare(one, best) < 0 ? one : best), head);
}

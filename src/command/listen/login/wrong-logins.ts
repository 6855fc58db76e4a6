import { createHash } from 'node:crypto';

/** How wrong logins delay the next login. Times in milliseconds. */
interface Slowdown {
  /** Wrong logins before the first pause, since people mistype. */
  readonly free: number;
  /** The first pause; each further wrong login doubles the pause. */
  readonly first: number;
  /** The longest pause. */
  readonly most: number;
}

export interface WrongLoginSettings {
  /** For one client, whatever the name. Many people may share an address, so the pauses are short. */
  readonly client: Slowdown;
  /** For one client with one name. */
  readonly pair: Slowdown;
  /** Milliseconds after which one wrong login is forgotten. */
  readonly forget: number;
  /** Most remembered clients, and most pairs; the entry with the oldest wrong login is dropped first. */
  readonly most: number;
}

export const WRONG_LOGINS: WrongLoginSettings = {
  client: { free: 10, first: 250, most: 1000 },
  pair: { free: 3, first: 1000, most: 5000 },
  forget: 60_000,
  most: 10_000,
};

/** Counts stop here, so that old wrong logins are forgotten after a while. */
const MAX_COUNT = 20;

/** The keys under which a login is counted. */
export interface LoginKeys {
  /** The client. */
  readonly client: string;
  /** The client and the user name, as a digest, since a client may send a name of any length. */
  readonly pair: string;
}

interface Record {
  readonly count: number;
  /** The time of the last wrong login. */
  readonly at: number;
}

/**
 * Counts wrong logins by client, and by client and name. A count by name alone would let anyone slow down the owner of the name.
 */
export class WrongLogins {
  readonly #settings: WrongLoginSettings;
  readonly #now: () => number;
  readonly #clients = new Map<string, Record>();
  readonly #pairs = new Map<string, Record>();

  constructor(settings = WRONG_LOGINS, now = () => performance.now()) {
    this.#settings = settings;
    this.#now = now;
  }

  /** Counts a wrong login. */
  note({ client, pair }: LoginKeys): void {
    this.#count(this.#clients, client);
    this.#count(this.#pairs, pair);
  }

  /** Milliseconds until the next login of this client for this name may be checked. */
  pause({ client, pair }: LoginKeys): number {
    const settings = this.#settings;
    const ofClient = this.#pauseOf(this.#clients.get(client), settings.client);
    return Math.max(ofClient, this.#pauseOf(this.#pairs.get(pair), settings.pair));
  }

  /** Wrong logins that are still remembered: of the client, and of the client with the name. */
  countsOf({ client, pair }: LoginKeys): { client: number; pair: number } {
    return { client: this.#left(this.#clients.get(client)), pair: this.#left(this.#pairs.get(pair)) };
  }

  #count(records: Map<string, Record>, key: string): void {
    const count = Math.min(this.#left(records.get(key)) + 1, MAX_COUNT);
    // Moves the key to the end, since the map is ordered by the last wrong login.
    records.delete(key);
    records.set(key, { count, at: this.#now() });
    if (records.size <= this.#settings.most) return;
    const [oldest] = records.keys();
    if (oldest !== undefined) records.delete(oldest);
  }

  #left(record: Record | undefined): number {
    if (!record) return 0;
    return Math.max(0, record.count - Math.floor((this.#now() - record.at) / this.#settings.forget));
  }

  #pauseOf(record: Record | undefined, { free, first, most }: Slowdown): number {
    const over = this.#left(record) - free;
    if (!record || over <= 0) return 0;
    return Math.max(0, record.at + Math.min(first * 2 ** (over - 1), most) - this.#now());
  }
}

export function loginKeysOf(client: string, name: string): LoginKeys {
  const pair = createHash('sha256').update(JSON.stringify([client, name]));
  return { client, pair: pair.digest('base64') };
}

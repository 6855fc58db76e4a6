import { createHash } from 'node:crypto';

/** How wrong logins slow the next one. Times in milliseconds. */
interface Slowdown {
  /** Wrong logins that cost nothing: people mistype. */
  readonly free: number;
  /** The first pause; it doubles with each wrong login. */
  readonly first: number;
  readonly most: number;
}

export interface WrongLoginSettings {
  /** Of one client, whatever the names: many people may share an address, so this stays short. */
  readonly client: Slowdown;
  /** Of one client for one name. */
  readonly pair: Slowdown;
  /** Milliseconds after which one wrong login is forgotten. */
  readonly forget: number;
  /** Clients that are remembered, and pairs; the one that was wrong longest ago goes first. */
  readonly most: number;
}

export const WRONG_LOGINS: WrongLoginSettings = {
  client: { free: 10, first: 250, most: 1000 },
  pair: { free: 3, first: 1000, most: 5000 },
  forget: 60_000,
  most: 10_000,
};

/** More than that are not counted, so that a client is as good as new after a while. */
const MAX_COUNT = 20;

/** Who asks for a login. */
export interface LoginKeys {
  /** What a client is counted by. */
  readonly client: string;
  /** The same with the name that is asked for, as a digest: a client writes any name, of any length. */
  readonly pair: string;
}

interface Record {
  readonly count: number;
  /** The last wrong login. */
  readonly at: number;
}

/**
 * Wrong logins, by client and by client and name. There is no count by name alone: with it anybody could slow down the
 * owner of a name from elsewhere.
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

  /** A login was wrong. */
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

  /** The wrong logins that are not forgotten: of the client, and of those for this name. */
  countsOf({ client, pair }: LoginKeys): { client: number; pair: number } {
    return { client: this.#left(this.#clients.get(client)), pair: this.#left(this.#pairs.get(pair)) };
  }

  #count(records: Map<string, Record>, key: string): void {
    const count = Math.min(this.#left(records.get(key)) + 1, MAX_COUNT);
    // Behind the others.
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

import { addTotals, noTotals, type AdminReplica, type AdminTotals, type AdminTunnel } from './admin-state.js';
import { MOST_QUERIES, readAnswer, type PeerQuestion } from './peer-answer.js';
import { keyOfQuery, type AdminQuery } from './query.js';

/** Milliseconds between two questions to the other processes. */
const INTERVAL = 2000;

/** Milliseconds after which a query without a reader is left out of the question. */
const WANTED_FOR = 3000;

/** Milliseconds after which answers are released, and no longer shown. */
const FORGET_AFTER = 10_000;

/** Limit of rows in all answers to one question. */
const MOST_ROWS = 5000;

/** The other processes that share the state. */
export interface AdminPeers {
  /** The address of this process. */
  readonly address: string;
  nameOf(address: string): string;
  /** The number of the other processes. */
  count(): number;
  /** Never rejects. */
  ask(question: PeerQuestion): Promise<{
    readonly answers: ReadonlyMap<string, unknown>;
    readonly silent: readonly string[];
  }>;
}

/** The tunnels of all other processes for one query. */
export interface PeerResult {
  readonly matching: number;
  readonly rows: readonly AdminTunnel[];
  readonly totals: AdminTotals;
  readonly replicas: readonly AdminReplica[];
}

const NOTHING: PeerResult = { matching: 0, rows: [], totals: noTotals(), replicas: [] };

/** Asks the other processes: one question with all queries, at most every two seconds, and only while a query has a reader. */
export class PeerStates {
  readonly peers: AdminPeers;
  readonly #wanted = new Map<string, { readonly query: AdminQuery; readonly at: number }>();
  #results = new Map<string, PeerResult>();
  #askedAt = -Infinity;
  #next: Promise<void> | undefined;
  #forget: NodeJS.Timeout | undefined;

  constructor(peers: AdminPeers) {
    this.peers = peers;
  }

  /** The latest answers; empty before the first answers. Asks again if the answers are old. */
  latest(query: AdminQuery): PeerResult {
    const known = this.#results.get(this.#want(query));
    if (performance.now() - this.#askedAt >= INTERVAL) void this.#ask();
    return known ?? NOTHING;
  }

  /** Resolves when `latest` has answers of the last seconds. Never rejects. */
  async ready(query: AdminQuery): Promise<void> {
    const key = this.#want(query);
    if (this.#results.has(key) && performance.now() - this.#askedAt < INTERVAL) return;
    await this.#ask();
    // The question may have been sent before this query was known.
    if (!this.#results.has(key)) {
      this.#want(query);
      await this.#ask();
    }
  }

  #want(query: AdminQuery): string {
    const key = keyOfQuery(query);
    this.#wanted.delete(key);
    this.#wanted.set(key, { query, at: performance.now() });
    return key;
  }

  #ask(): Promise<void> {
    this.#next ??= this.#askInTime().finally(() => (this.#next = undefined));
    return this.#next;
  }

  async #askInTime(): Promise<void> {
    const pause = this.#askedAt + INTERVAL - performance.now();
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause).unref());
    this.#askedAt = performance.now();
    for (const [key, { at }] of this.#wanted) if (this.#askedAt - at > WANTED_FOR) this.#wanted.delete(key);
    // The latest queries, if there are too many.
    const asked = [...this.#wanted].slice(-MOST_QUERIES);
    const queries = asked.map(([, { query }]) => query);
    const shares = Math.max(1, queries.length * this.peers.count());
    const most = Math.max(1, Math.floor(MOST_ROWS / shares));
    const { answers, silent } = await this.peers.ask({ queries, most });
    this.#results = this.#resultsOf(
      asked.map(([key]) => key),
      most,
      answers,
      silent,
    );
    clearTimeout(this.#forget);
    this.#forget = setTimeout(() => this.#results.clear(), FORGET_AFTER).unref();
  }

  #resultsOf(
    keys: readonly string[],
    most: number,
    answers: ReadonlyMap<string, unknown>,
    silent: readonly string[],
  ): Map<string, PeerResult> {
    const totals = noTotals();
    const replicas: AdminReplica[] = silent.map((one) => this.#silent(one));
    const results = keys.map(() => ({ matching: 0, rows: [] as AdminTunnel[], totals, replicas }));
    for (const [address, data] of answers) {
      const name = this.peers.nameOf(address);
      const answer = readAnswer(data, name, most);
      if (!answer) {
        replicas.push(this.#silent(address));
        continue;
      }
      replicas.push({ name, silent: false, tunnels: answer.totals.open });
      addTotals(totals, answer.totals);
      for (const [index, result] of results.entries()) {
        const { matching = 0, rows = [] } = answer.results[index] ?? {};
        result.matching += matching;
        result.rows.push(...rows);
      }
    }
    return new Map(keys.map((key, index) => [key, results[index] ?? NOTHING]));
  }

  #silent(address: string): AdminReplica {
    return { name: this.peers.nameOf(address), silent: true, tunnels: 0 };
  }
}

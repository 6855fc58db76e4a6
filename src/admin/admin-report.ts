import {
  addTotals,
  noTotals,
  type AdminBackend,
  type AdminProgram,
  type AdminReplica,
  type AdminTunnel,
} from './admin-state.js';
import type { PeerResult } from './peer-states.js';
import { keyOfQuery, type AdminQuery } from './query.js';
import { MOST_REFUSALS } from './refusal-list.js';
import { FORGET_AFTER } from './row-sampler.js';
import { firstRows, orderOf } from './select-rows.js';
import type { StateView } from './state-view.js';
import { TunnelRow } from './tunnel-row.js';

/** Limit of backends, and of processes of programs. */
const MOST_LISTED = 500;

/** Limit of texts that are kept until the next sample: equal to the limit of event streams. */
const MOST_TEXTS = 32;

interface CachedText {
  readonly text: string;
  /** The answers of other processes in the text. */
  readonly peers: readonly PeerResult[];
}

/** The JSON text of `GET /state`. All readers with the same query get the same text until the next sample. */
export class AdminReport {
  readonly #views: readonly StateView[];
  readonly #isDraining: () => boolean;
  #samples: readonly unknown[] = [];
  /** The texts made from the samples, by query. */
  readonly #texts = new Map<string, CachedText>();
  /** Backends, programs and refusals at the time of the samples, as the members of a JSON object. */
  #lists: string | undefined;
  #forget: NodeJS.Timeout | undefined;

  constructor(views: readonly StateView[], isDraining: () => boolean) {
    this.#views = views;
    this.#isDraining = isDraining;
  }

  /** Resolves when a sample is taken, and the answers of other processes are known or their deadline has passed. */
  async ready(query: AdminQuery): Promise<void> {
    await Promise.all([
      this.prepare(),
      ...this.#views.flatMap(({ peers }) => (peers ? [peers.ready(query)] : [])),
    ]);
  }

  /** Takes a sample for the next texts without blocking the event loop. */
  async prepare(): Promise<void> {
    for (const { sampler } of this.#views) await sampler.prepare();
  }

  text(query: AdminQuery): string {
    const draining = this.#isDraining();
    const samples = this.#views.map(({ sampler }) => sampler.sample());
    if (samples.some((sample, index) => sample !== this.#samples[index])) {
      this.#clear();
      this.#samples = samples;
      this.#forget = setTimeout(() => this.#clear(), FORGET_AFTER).unref();
    }
    const peers = this.#views.flatMap((view) => (view.peers ? [view.peers.latest(query)] : []));
    const key = `${draining} ${keyOfQuery(query)}`;
    const known = this.#texts.get(key);
    if (known?.peers.every((result, index) => result === peers[index])) return known.text;
    if (this.#texts.size >= MOST_TEXTS) this.#texts.clear();
    const text = this.#make(query, peers, draining);
    this.#texts.set(key, { text, peers });
    return text;
  }

  #clear(): void {
    clearTimeout(this.#forget);
    this.#forget = undefined;
    this.#samples = [];
    this.#texts.clear();
    this.#lists = undefined;
  }

  #make(query: AdminQuery, peers: readonly PeerResult[], draining: boolean): string {
    const totals = noTotals();
    const rows: (TunnelRow | AdminTunnel)[] = [];
    let matching = 0;
    for (const view of this.#views) {
      addTotals(totals, view.totals());
      const found = view.select(view.sampler.sample(), query);
      matching += found.matching;
      rows.push(...found.rows);
    }
    const replicas = this.#ownReplicas();
    for (const result of peers) {
      addTotals(totals, result.totals);
      matching += result.matching;
      rows.push(...result.rows);
      replicas.push(...result.replicas);
    }
    const first = firstRows(rows, query.limit, orderOf<TunnelRow | AdminTunnel>(query));
    const tunnels = first.map((row) => (row instanceof TunnelRow ? row.data() : row));
    const [network] = this.#views.flatMap(({ state }) => state.peers ?? []);
    const text = JSON.stringify({
      time: Date.now(),
      replica: network?.address ?? null,
      draining,
      ...(network && { replicas }),
      ...{ totals, matching, tunnels },
    });
    this.#lists ??= this.#makeLists();
    return `${text.slice(0, -1)},${this.#lists}}`;
  }

  /** This process among those that share a state. */
  #ownReplicas(): AdminReplica[] {
    return this.#views.flatMap(({ state: { peers }, sampler }) =>
      peers
        ? [{ name: peers.nameOf(peers.address), silent: false, tunnels: sampler.sample().rows.length }]
        : [],
    );
  }

  #makeLists(): string {
    const refusals = this.#views
      .flatMap((view) => view.refusals.newestFirst())
      .sort((a, b) => b.time - a.time)
      .slice(0, MOST_REFUSALS);
    const backends = firstRows(
      this.#views.flatMap(({ state }) => [...state.backends()]),
      MOST_LISTED,
      byUrgency,
    );
    const programs: AdminProgram[] = this.#views.flatMap(({ state }) => [...state.programs()]);
    const lists = { refusals, backends, programs: programs.slice(0, MOST_LISTED) };
    return JSON.stringify(lists).slice(1, -1);
  }
}

/** Backends that are down first, then the backends with the most tunnels. */
function byUrgency(a: AdminBackend, b: AdminBackend): number {
  if (a.up !== b.up) return a.up ? 1 : -1;
  if (a.tunnels !== b.tunnels) return b.tunnels - a.tunnels;
  return a.id < b.id ? -1 : 1;
}

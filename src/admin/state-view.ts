import { closedLabels } from '../observe/metrics/tunnel-counts.js';
import type { Totals } from '../observe/totals.js';
import {
  addCounts,
  noTotals,
  type AdminBackend,
  type AdminProgram,
  type AdminTotals,
} from './admin-state.js';
import { readQuestion, type PeerAnswer, type QueryResult } from './peer-answer.js';
import { PeerStates, type AdminPeers } from './peer-states.js';
import type { AdminQuery } from './query.js';
import { RefusalList } from './refusal-list.js';
import { RowSampler, type SampledMember, type TunnelSample } from './row-sampler.js';
import { firstRows, orderOf } from './select-rows.js';
import type { TunnelRow } from './tunnel-row.js';

/** The parts of a state that are shown. */
export interface ViewedState {
  members(): Iterable<SampledMember>;
  totals(): Iterable<Totals>;
  backends(): Iterable<AdminBackend>;
  programs(): Iterable<AdminProgram>;
  /** Undefined unless several processes share the state. */
  readonly peers: AdminPeers | undefined;
}

/** What the admin pages of this process and of other processes show of one state. */
export class StateView {
  readonly state: ViewedState;
  readonly sampler: RowSampler;
  readonly refusals = new RefusalList();
  readonly peers: PeerStates | undefined;
  readonly #totals = new WeakMap<TunnelSample, AdminTotals>();

  constructor(state: ViewedState) {
    this.state = state;
    const { peers } = state;
    const name = peers?.nameOf(peers.address);
    this.sampler = new RowSampler(
      () => state.members(),
      () => name,
    );
    this.peers = peers && new PeerStates(peers);
  }

  /** The tunnels of this process: how many match, and the first ones. */
  select({ rows }: { readonly rows: readonly TunnelRow[] }, query: AdminQuery): SelectedRows {
    const found = query.q === '' ? rows : rows.filter((row) => row.has(query.q));
    return { matching: found.length, rows: firstRows(found, query.limit, orderOf<TunnelRow>(query)) };
  }

  /** Counted once for each sample: a tunnel that ends later would be counted among the open and among the ended tunnels. */
  totals(): AdminTotals {
    const sample = this.sampler.sample();
    const totals = this.#totals.get(sample) ?? this.#count(sample);
    this.#totals.set(sample, totals);
    return totals;
  }

  #count({ rows, bytesIn, bytesOut, received, sent }: TunnelSample): AdminTotals {
    const sums = { ...noTotals(), open: rows.length, bytesIn, bytesOut, received, sent };
    for (const totals of this.state.totals()) {
      const done = totals.snapshot();
      sums.opened += done.opened;
      sums.bytesIn += done.bytesIn;
      sums.bytesOut += done.bytesOut;
      addCounts(sums.refused, done.refused);
      for (const [key, count] of totals.counts.closed.entries())
        addCounts(sums.closed, { [closedLabels(key).cause ?? key]: count });
    }
    return sums;
  }

  /** The answer to another process; undefined if its question can't be read. */
  answer(data: unknown): PeerAnswer | undefined {
    const question = readQuestion(data);
    if (!question) return undefined;
    const sample = this.sampler.sample();
    const results: QueryResult[] = question.queries.map((query) => {
      const limit = Math.min(query.limit, question.most);
      const { matching, rows } = this.select(sample, { ...query, limit });
      return { matching, rows: rows.map((row) => row.data()) };
    });
    return { totals: this.totals(), results };
  }
}

interface SelectedRows {
  readonly matching: number;
  readonly rows: readonly TunnelRow[];
}

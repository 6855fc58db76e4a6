import { TunnelRow, type SampledTunnel } from './tunnel-row.js';

/** Milliseconds between two samples. A timer of one second may be a little early. */
const INTERVAL = 900;

/** Milliseconds after the last sample until the rows are released. Rates need a sample of the last seconds. */
const FORGET_AFTER = 10_000;

/** The open tunnels of this process at one time. */
export interface TunnelSample {
  readonly rows: readonly TunnelRow[];
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly received: number;
  readonly sent: number;
}

/** The tunnels of one tunnel object. */
export interface SampledMember {
  readonly name: string | undefined;
  readonly open: Iterable<SampledTunnel>;
}

/** Samples the open tunnels, at most once a second for all readers, and only on request. */
export class RowSampler {
  readonly #members: () => Iterable<SampledMember>;
  readonly #replica: () => string | undefined;
  readonly #rows = new Map<SampledTunnel, TunnelRow>();
  #latest: TunnelSample | undefined;
  #takenAt = -Infinity;
  #measuredAt = -Infinity;
  #count = 0;
  #forget: NodeJS.Timeout | undefined;

  /** `replica`: the name of this process among those that share the state. */
  constructor(members: () => Iterable<SampledMember>, replica: () => string | undefined) {
    this.#members = members;
    this.#replica = replica;
  }

  sample(): TunnelSample {
    const now = performance.now();
    if (this.#latest && now - this.#takenAt < INTERVAL) return this.#latest;
    this.#forget ??= setTimeout(() => this.#clear(), FORGET_AFTER).unref();
    this.#forget.refresh();
    this.#takenAt = now;
    this.#latest = this.#take(now);
    return this.#latest;
  }

  /** Makes the next sample list the tunnels again, after some were ended. */
  refresh(): void {
    this.#latest = undefined;
  }

  #take(now: number): TunnelSample {
    const seconds = (now - this.#measuredAt) / 1000;
    const isFirst = seconds === Infinity;
    // After `refresh` the time since the last measurement may be too short for a rate.
    const measures = seconds * 1000 >= INTERVAL;
    if (measures) this.#measuredAt = now;
    this.#count++;
    const rows: TunnelRow[] = [];
    let [bytesIn, bytesOut, received, sent] = [0, 0, 0, 0];
    for (const { name, open } of this.#members())
      for (const tunnel of open) {
        const row = this.#rowOf(tunnel, name, isFirst);
        tunnel.sample(row);
        if (measures && !isFirst) row.measure(seconds);
        row.sampled = this.#count;
        rows.push(row);
        bytesIn += row.bytesIn;
        bytesOut += row.bytesOut;
        received += row.received;
        sent += row.sent;
      }
    if (this.#rows.size > rows.length)
      for (const [tunnel, { sampled }] of this.#rows) if (sampled !== this.#count) this.#rows.delete(tunnel);
    return { rows, bytesIn, bytesOut, received, sent };
  }

  #rowOf(tunnel: SampledTunnel, name: string | undefined, isFirst: boolean): TunnelRow {
    const known = this.#rows.get(tunnel);
    if (known) return known;
    const row = new TunnelRow(tunnel.info(), name, this.#replica());
    if (!isFirst) row.countFromStart();
    this.#rows.set(tunnel, row);
    return row;
  }

  #clear(): void {
    this.#rows.clear();
    this.#latest = undefined;
    this.#takenAt = this.#measuredAt = -Infinity;
    this.#forget = undefined;
  }
}

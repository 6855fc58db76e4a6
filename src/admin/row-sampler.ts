import { setImmediate as nextTurn } from 'node:timers/promises';
import { TunnelRow, type SampledTunnel } from './tunnel-row.js';

/** Milliseconds between two samples. A timer of one second may be a little early. */
const INTERVAL = 900;

/** Milliseconds after the last sample until the rows are released. Rates need a sample of the last seconds. */
export const FORGET_AFTER = 10_000;

/** Tunnels that are sampled in one event-loop turn: less than a millisecond, so that no keystroke waits for a page of thousands of tunnels. */
const SLICE = 500;

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
  /** A sample that is being taken in several turns. */
  #taking: Promise<void> | undefined;

  /** `replica`: the name of this process among those that share the state. */
  constructor(members: () => Iterable<SampledMember>, replica: () => string | undefined) {
    this.#members = members;
    this.#replica = replica;
  }

  /** The latest sample. Takes one, in this turn, if there is none that is new enough. */
  sample(): TunnelSample {
    if (this.#latest && this.#isNewEnough()) return this.#latest;
    const walk = this.#begin();
    let step = walk.next();
    while (step.done !== true) step = walk.next();
    this.#latest = step.value;
    return this.#latest;
  }

  /** Takes a sample in several event-loop turns, unless the latest sample is new enough. */
  async prepare(): Promise<void> {
    if (this.#latest && this.#isNewEnough()) return;
    this.#taking ??= this.#takeInTurns().finally(() => (this.#taking = undefined));
    await this.#taking;
  }

  /** Makes the next sample list the tunnels again, after some were ended. */
  refresh(): void {
    this.#latest = undefined;
  }

  async #takeInTurns(): Promise<void> {
    const walk = this.#begin();
    for (let step = walk.next(); ; step = walk.next()) {
      if (step.done === true) {
        this.#latest = step.value;
        return;
      }
      await nextTurn();
    }
  }

  #isNewEnough(): boolean {
    return performance.now() - this.#takenAt < INTERVAL;
  }

  #begin(): Generator<undefined, TunnelSample> {
    this.#forget ??= setTimeout(() => this.#clear(), FORGET_AFTER).unref();
    this.#forget.refresh();
    this.#takenAt = performance.now();
    return this.#walk(this.#takenAt);
  }

  /** Yields after each slice. Tunnels may open and close between two slices. */
  *#walk(now: number): Generator<undefined, TunnelSample> {
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
        if (rows.length % SLICE === 0) yield;
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

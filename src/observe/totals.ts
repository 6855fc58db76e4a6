import type { TunnelStats } from '../types.js';
import { TunnelCounts } from './metrics/tunnel-counts.js';

/** The counters of `stats()` and `metrics()`; open tunnels and backends are counted elsewhere. */
export class Totals {
  opened = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** The counts of `metrics()`. */
  readonly counts = new TunnelCounts();
  readonly #refused = new Map<string, number>();
  readonly #closed = new Map<string, number>();

  refused(code: string): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  closed(code: number, bytesIn: number, bytesOut: number): void {
    this.#closed.set(String(code), (this.#closed.get(String(code)) ?? 0) + 1);
    this.bytesIn += bytesIn;
    this.bytesOut += bytesOut;
  }

  snapshot(): Pick<TunnelStats, 'opened' | 'refused' | 'closed' | 'bytesIn' | 'bytesOut'> {
    return {
      opened: this.opened,
      refused: Object.fromEntries(this.#refused),
      closed: Object.fromEntries(this.#closed),
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
    };
  }
}

import type { TunnelStats } from '../types.js';

/** The counters of `stats()`; open tunnels and backends are counted elsewhere. */
export class Totals {
  opened = 0;
  bytesIn = 0;
  bytesOut = 0;
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

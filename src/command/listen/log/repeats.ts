import { networkOf } from '../../../request/client-address.js';
import type { RefuseInfo } from '../../../types.js';

/** Refusals of one address that are written in each period; further refusals are only counted. */
const MAX_WRITTEN = 10;
/** Length of a period, in ms. */
const PERIOD = 60_000;
/** Most addresses with a count of their own in a period; all further addresses share one count. */
const MAX_ADDRESSES = 500;
/** The name of the shared count, in place of an address. */
const OTHERS = 'other addresses';

/** The refusals of one address that were only counted. */
export interface Repeats {
  readonly address: string;
  readonly count: number;
  /** The length of the period. */
  readonly seconds: number;
  /** The status of the last refusal. */
  readonly status: number;
  readonly code: string;
}

/** The fields of a refusal that the limiter uses. */
type Refused = Pick<RefuseInfo, 'address' | 'status' | 'code'>;

interface Count {
  total: number;
  last: Refused;
}

/**
 * Limits the log lines about refusals: a refused request costs a client nothing, and the lines could fill the disk. In each minute,
 * the first ten refusals of an address (for IPv6: of a /64) are written; the others become one line at the end of the minute.
 */
export class RepeatLimiter {
  readonly #report: (folded: Repeats) => void;
  readonly #counts = new Map<string, Count>();
  #timer: NodeJS.Timeout | undefined;
  #since = 0;

  constructor(tell: (folded: Repeats) => void) {
    this.#report = tell;
  }

  /** Counts a refusal; returns false if the refusal must not be written. */
  passes(info: Refused): boolean {
    if (!this.#timer) {
      this.#since = performance.now();
      this.#timer = setTimeout(() => this.end(), PERIOD).unref();
    }
    const own = info.address === '' ? 'a local client' : networkOf(info.address);
    const name = this.#counts.has(own) || this.#counts.size < MAX_ADDRESSES ? own : OTHERS;
    const count = this.#counts.get(name) ?? { total: 0, last: info };
    this.#counts.set(name, count);
    count.total++;
    count.last = info;
    return count.total <= MAX_WRITTEN;
  }

  /** Ends the period, and reports how many refusals were not written. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const seconds = Math.ceil((performance.now() - this.#since) / 1000);
    const counts = [...this.#counts];
    this.#counts.clear();
    for (const [address, { total, last }] of counts) {
      const { status, code } = last;
      const count = total - MAX_WRITTEN;
      if (count > 0) this.#report({ address, count, seconds, status, code });
    }
  }
}

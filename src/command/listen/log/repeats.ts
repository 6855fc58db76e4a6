import { networkOf } from '../../../request/address.js';
import type { RefuseInfo } from '../../../types.js';

/** Refusals of one address that are written out in each period; further ones are counted. */
const MAX_WRITTEN = 10;
/** In ms. */
const PERIOD = 60_000;
/** Addresses that are told apart in a period; all further ones count as one. */
const MAX_ADDRESSES = 500;
/** In place of an address. */
const OTHERS = 'other addresses';

/** Refusals of one address that were not written out. */
export interface Repeats {
  readonly address: string;
  readonly count: number;
  /** Of the period in which they came. */
  readonly seconds: number;
  /** Of the last one. */
  readonly status: number;
  readonly code: string;
}

/** What is used of a refusal. */
type Refused = Pick<RefuseInfo, 'address' | 'status' | 'code'>;

interface Count {
  total: number;
  last: Refused;
}

/**
 * Refusals cost a client nothing, and each would be a line: whoever repeats them could fill the disk. The first ten of an address (of
 * IPv6: of one /64) in a minute are written out, the rest becomes one line at the minute's end.
 */
export class RepeatLimiter {
  readonly #report: (folded: Repeats) => void;
  readonly #counts = new Map<string, Count>();
  #timer: NodeJS.Timeout | undefined;
  #since = 0;

  constructor(tell: (folded: Repeats) => void) {
    this.#report = tell;
  }

  /** False where this refusal is only counted. */
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

  /** Ends the period, and tells what was only counted. */
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

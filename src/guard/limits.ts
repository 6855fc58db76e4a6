import { TunnelError } from '../errors.js';
import { networkOf } from '../helpers/address.js';
import { leaseOf, type Lease } from '../helpers/lease.js';

/** Most tunnels at once; 0 is no limit. */
export interface CountLimits {
  readonly total: number;
  readonly perClient: number;
}

/** Where tunnels are counted. It may answer later: several processes can count in one place. */
export interface Counter {
  /** A place under this name, unless `most` are taken already. */
  take(name: string, most: number): Lease | undefined | Promise<Lease | undefined>;
}

/** Counts in this process. */
export class LocalCounter implements Counter {
  readonly #counts = new Map<string, number>();

  take(name: string, most: number): Lease | undefined {
    const taken = this.#counts.get(name) ?? 0;
    if (taken >= most) return undefined;
    this.#counts.set(name, taken + 1);
    return leaseOf(() => {
      const left = (this.#counts.get(name) ?? 1) - 1;
      if (left === 0) this.#counts.delete(name);
      else this.#counts.set(name, left);
    });
  }
}

/** A place for one more tunnel of this client; throws the 429 or 503 where there is none. Free it with `release`. */
export async function takePlace(
  counter: Counter,
  { total, perClient }: CountLimits,
  address: string,
): Promise<Lease> {
  const own = perClient > 0 ? await counter.take(`client ${networkOf(address)}`, perClient) : undefined;
  if (perClient > 0 && !own)
    throw new TunnelError('WSTUNNEL_TOO_MANY', 'you have as many tunnels open as you may have');
  const any = total > 0 ? await counter.take('total', total) : undefined;
  if (total > 0 && !any) {
    own?.release();
    throw new TunnelError('WSTUNNEL_FULL', 'as many tunnels are open as there may be');
  }
  return {
    release: () => {
      own?.release();
      any?.release();
    },
  };
}

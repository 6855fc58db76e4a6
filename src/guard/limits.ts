import { TunnelError } from '../errors.js';
import { orAborted } from '../helpers/abort.js';
import { networkOf } from '../request/client-address.js';
import { bothOf, leaseOf, UNCOUNTED, type Lease } from '../helpers/lease.js';

/** Most at once, of all and of one client; 0 is no limit. */
export interface CountLimits {
  readonly total: number;
  readonly perClient: number;
}

/** Where there are too many openings: the next second may have room. */
const RETRY = { headers: { 'Retry-After': '1' } };

/** Counts the requests on their way to a 101, as sshd's MaxStartups does. */
export class Openings {
  readonly #limits: CountLimits;
  readonly #counter = new LocalCounter();

  constructor(limits: CountLimits) {
    this.#limits = limits;
  }

  /** A place among all of them, or the 503. */
  start(): Lease | TunnelError {
    const { total } = this.#limits;
    if (total === 0) return UNCOUNTED;
    const message = 'too many tunnels are being opened';
    return this.#counter.take('total', total) ?? new TunnelError('WSTUNNEL_FULL', message, RETRY);
  }

  /** A place among those of one client; throws the 429. */
  startOf(address: string): Lease {
    const { perClient } = this.#limits;
    if (perClient === 0) return UNCOUNTED;
    const place = this.#counter.take(`client ${networkOf(address)}`, perClient);
    if (place) return place;
    throw new TunnelError('WSTUNNEL_TOO_MANY', 'too many tunnels are being opened from your address', RETRY);
  }
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

/**
 * A place for one more tunnel of this client; throws the 429 or 503 where there is none, and the signal's reason once that
 * aborts. Free it with `release`.
 */
export async function takePlace(
  counter: Counter,
  { total, perClient }: CountLimits,
  address: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<Lease> {
  const own = await take(counter, `client ${networkOf(address)}`, perClient, signal);
  if (!own) throw new TunnelError('WSTUNNEL_TOO_MANY', 'you have as many tunnels open as you may have');
  try {
    const any = await take(counter, 'total', total, signal);
    if (!any) throw new TunnelError('WSTUNNEL_FULL', 'as many tunnels are open as there may be');
    return bothOf(own, any);
  } catch (error) {
    own.release();
    throw error;
  }
}

/** The counter may be slow or out of reach: a place that it gives after the abort is released. */
async function take(
  counter: Counter,
  name: string,
  most: number,
  signal: AbortSignal,
): Promise<Lease | undefined> {
  signal.throwIfAborted();
  // Without a limit as well: settings that are read later may have one, and the tunnels of now count for it.
  const taken = (async () => counter.take(name, most === 0 ? Infinity : most))();
  try {
    return await orAborted(signal, () => taken);
  } catch (error) {
    taken.then((lease) => lease?.release()).catch(() => undefined);
    throw error;
  }
}

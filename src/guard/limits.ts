import { TunnelError } from '../errors.js';
import { Cancellation, isPromise, orAborted, type AbortState } from '../helpers/abort.js';
import { networkOf } from '../request/client-address.js';
import { bothOf, UNCOUNTED, type Lease } from '../helpers/lease.js';

/** Limits of concurrent slots, for all clients and for each client; 0 means no limit. */
export interface CountLimits {
  readonly total: number;
  readonly perClient: number;
}

/** For a refusal because of too many openings: a second later the client may succeed. */
const RETRY = { headers: { 'Retry-After': '1' } };

/** Counts requests before the 101 response, as sshd's MaxStartups does. */
export class OpeningCounter {
  readonly #limits: CountLimits;
  readonly #counter = new LocalCounter();

  constructor(limits: CountLimits) {
    this.#limits = limits;
  }

  /** A slot among all openings, or the 503 as a refusal. */
  start(): Lease | TunnelError {
    const { total } = this.#limits;
    if (total === 0) return UNCOUNTED;
    const message = 'too many tunnels are being opened';
    return this.#counter.take('total', total) ?? new TunnelError('WSTUNNEL_FULL', message, RETRY);
  }

  /** A slot among the openings of one client; throws the 429. */
  startOf(address: string): Lease {
    const { perClient } = this.#limits;
    if (perClient === 0) return UNCOUNTED;
    const slot = this.#counter.take(`client ${networkOf(address)}`, perClient);
    if (slot) return slot;
    throw new TunnelError('WSTUNNEL_TOO_MANY', 'too many tunnels are being opened by this client', RETRY);
  }
}

/** Counts tunnels. The result may be asynchronous, so that several processes can share a counter. */
export interface Counter {
  /** A slot under this name; undefined if `most` slots are in use. */
  take(name: string, most: number): Lease | undefined | Promise<Lease | undefined>;
}

/** Counts within this process. */
export class LocalCounter implements Counter {
  readonly #counts = new Map<string, Count>();

  take(name: string, most: number): Lease | undefined {
    const count = this.#counts.get(name) ?? { name, used: 0 };
    if (count.used >= most) return undefined;
    if (count.used++ === 0) this.#counts.set(name, count);
    return new Slot(this.#counts, count);
  }
}

/** The slots in use under a name. */
interface Count {
  readonly name: string;
  used: number;
}

/** One slot. The slots of a name share the count, and thereby the memory of the name. */
class Slot implements Lease {
  readonly #counts: Map<string, Count>;
  #count: Count | undefined;

  constructor(counts: Map<string, Count>, count: Count) {
    this.#counts = counts;
    this.#count = count;
  }

  release(): void {
    const count = this.#count;
    this.#count = undefined;
    if (count && --count.used === 0) this.#counts.delete(count.name);
  }
}

/**
 * Takes a slot for another tunnel of this client, until `release`. Throws the 429 or 503 if no slot is free, and the signal's
 * reason after the signal aborts. Returns a promise only if the counter does.
 */
export function takeSlot(
  counter: Counter,
  { total, perClient }: CountLimits,
  address: string,
  signal: AbortState = new Cancellation(),
): Lease | Promise<Lease> {
  const takeTotal = () => take(counter, 'total', total, signal);
  const own = take(counter, `client ${networkOf(address)}`, perClient, signal);
  return isPromise(own) ? awaitSlots(own, takeTotal) : withTotal(own, takeTotal);
}

type Taken = Lease | undefined;

async function awaitSlots(own: Promise<Taken>, takeTotal: () => Taken | Promise<Taken>): Promise<Lease> {
  return withTotal(await own, takeTotal);
}

/** Both slots, or none. */
function withTotal(own: Taken, takeTotal: () => Taken | Promise<Taken>): Lease | Promise<Lease> {
  if (!own) throw new TunnelError('WSTUNNEL_TOO_MANY', 'too many open tunnels for this client');
  try {
    const total = takeTotal();
    return isPromise(total) ? awaitTotal(own, total) : joined(own, total);
  } catch (error) {
    own.release();
    throw error;
  }
}

async function awaitTotal(own: Lease, total: Promise<Taken>): Promise<Lease> {
  try {
    return joined(own, await total);
  } catch (error) {
    own.release();
    throw error;
  }
}

function joined(own: Lease, total: Taken): Lease {
  if (!total) throw new TunnelError('WSTUNNEL_FULL', 'too many open tunnels');
  return bothOf(own, total);
}

/** The counter may be slow or unreachable: a slot that arrives after the abort is released. Returns a promise only if the counter does. */
function take(
  counter: Counter,
  name: string,
  most: number,
  signal: AbortState,
): Lease | undefined | Promise<Lease | undefined> {
  signal.throwIfAborted();
  // Counted without a limit too: reloaded settings may have a limit, and the open tunnels count against that limit.
  const taking = counter.take(name, most === 0 ? Infinity : most);
  return isPromise(taking) ? orReleased(taking, signal) : taking;
}

/** The lease; released if the signal aborts first. */
async function orReleased(
  taking: Promise<Lease | undefined>,
  signal: AbortState,
): Promise<Lease | undefined> {
  try {
    return await orAborted(signal, () => taking);
  } catch (error) {
    taking.then((lease) => lease?.release()).catch(() => undefined);
    throw error;
  }
}

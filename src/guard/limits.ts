import { TunnelError } from '../errors.js';
import { Cancellation, following, isPromise, orAborted, type AbortState } from '../helpers/abort.js';
import { networkOf } from '../request/client-address.js';
import { bothOf, UNCOUNTED, type Lease } from '../helpers/lease.js';

/** Limits of concurrent slots, for all clients and for each client; 0 means no limit. */
export interface CountLimits {
  readonly total: number;
  readonly perClient: number;
}

/** Limits of concurrent tunnels; 0 means no limit. */
export interface TunnelLimits extends CountLimits {
  readonly perUser: number;
}

/** The client of a slot. A client without a user has no slot under `perUser`. */
export interface SlotOwner {
  readonly address: string;
  readonly user: string | undefined;
}

/**
 * Seconds for an asynchronous counter to answer for all slots of one tunnel: a store in the same data centre answers within
 * milliseconds, and a store that is down must not keep requests for the whole `handshakeTimeout`.
 */
export const STORE_TIMEOUT = 1;

/** For a refusal that may be over soon: a second later the client may succeed. */
const RETRY = { headers: { 'Retry-After': '1' } };

/** Counts requests before the 101 response, as sshd's MaxStartups does. */
export class OpeningCounter {
  readonly #limits: CountLimits;
  readonly #counter: LocalCounter;

  /** `counter`: several tunnel objects may share one. */
  constructor(limits: CountLimits, counter = new LocalCounter()) {
    this.#limits = limits;
    this.#counter = counter;
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
  readonly #counts = new Map<string, Usage>();

  take(name: string, most: number): Lease | undefined {
    const count = this.#counts.get(name) ?? { name, used: 0 };
    if (count.used >= most) return undefined;
    if (count.used++ === 0) this.#counts.set(name, count);
    return new Slot(this.#counts, count);
  }
}

/** The slots in use under a name. */
interface Usage {
  readonly name: string;
  used: number;
}

/** One slot. The slots of a name share the count, and thereby the memory of the name. */
class Slot implements Lease {
  readonly #counts: Map<string, Usage>;
  #count: Usage | undefined;

  constructor(counts: Map<string, Usage>, count: Usage) {
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
 * Takes a slot for another tunnel of this client, until `release`. Throws the 429 or 503 if no slot is free, the 503 if the counter
 * fails or does not answer within {@link STORE_TIMEOUT}, and the signal's reason after the signal aborts. Returns a promise only if the counter does.
 */
export function takeSlot(
  counter: Counter,
  { total, perClient, perUser }: TunnelLimits,
  { address, user }: SlotOwner,
  signal: AbortState = new Cancellation(),
): Lease | Promise<Lease> {
  const counts: Count[] = [
    { name: `client ${networkOf(address)}`, most: perClient, refusal: tooManyOfClient },
    ...(user === undefined ? [] : [{ name: `user ${user}`, most: perUser, refusal: tooManyOfUser }]),
    { name: 'total', most: total, refusal: tooMany },
  ];
  return takeAll(counter, counts, signal);
}

/** One of the counts that a tunnel needs a slot of. */
interface Count {
  readonly name: string;
  readonly most: number;
  readonly refusal: () => TunnelError;
}

const tooManyOfClient = () => new TunnelError('WSTUNNEL_TOO_MANY', 'too many open tunnels for this client');
const tooManyOfUser = () => new TunnelError('WSTUNNEL_TOO_MANY', 'too many open tunnels for this user');
const tooMany = () => new TunnelError('WSTUNNEL_FULL', 'too many open tunnels');

/** A slot of each count, or none at all. */
function takeAll(counter: Counter, counts: readonly Count[], signal: AbortState): Lease | Promise<Lease> {
  let slots = UNCOUNTED;
  try {
    for (const [index, count] of counts.entries()) {
      const slot = take(counter, count, signal);
      if (isPromise(slot)) return takeRest(counter, counts.slice(index), signal, slots, slot);
      if (!slot) throw count.refusal();
      slots = bothOf(slots, slot);
    }
    return slots;
  } catch (error) {
    slots.release();
    throw error;
  }
}

/** Goes on after the first promise of the counter, until the deadline. */
async function takeRest(
  counter: Counter,
  counts: readonly Count[],
  signal: AbortState,
  own: Lease,
  first: Promise<Lease | undefined>,
): Promise<Lease> {
  const { controller, free } = following(signal);
  const timer = setTimeout(() => controller.abort(counterFailed(tooSlow())), STORE_TIMEOUT * 1000);
  let slots = own;
  try {
    for (const [index, count] of counts.entries()) {
      const taking = index === 0 ? first : take(counter, count, controller);
      const slot = isPromise(taking) ? await orReleased(taking, controller) : taking;
      if (!slot) throw count.refusal();
      slots = bothOf(slots, slot);
    }
    return slots;
  } catch (error) {
    slots.release();
    throw error;
  } finally {
    clearTimeout(timer);
    free();
  }
}

/** Returns a promise only if the counter does. */
function take(
  counter: Counter,
  { name, most }: Count,
  signal: AbortState,
): Lease | undefined | Promise<Lease | undefined> {
  signal.throwIfAborted();
  try {
    // Counted without a limit too: reloaded settings may have a limit, and the open tunnels count against that limit.
    return counter.take(name, most === 0 ? Infinity : most);
  } catch (error) {
    throw counterFailed(error);
  }
}

/** The counter may be slow or unreachable: a slot that arrives after the abort is released. */
async function orReleased(
  taking: Promise<Lease | undefined>,
  signal: AbortState,
): Promise<Lease | undefined> {
  try {
    return await orAborted(signal, () => taking);
  } catch (error) {
    taking.then((lease) => lease?.release()).catch(() => undefined);
    throw signal.aborted && error === signal.reason ? error : counterFailed(error);
  }
}

function tooSlow(): Error {
  return new Error(`the store of the counts did not answer within ${STORE_TIMEOUT} s`);
}

/** The store of a shared counter is down. The client gets no details: the store's errors name its address. */
function counterFailed(cause: unknown): TunnelError {
  const message = 'tunnels cannot be counted at the moment';
  return new TunnelError('WSTUNNEL_STATE_DOWN', message, { ...RETRY, cause });
}

import { TunnelError } from '../errors.js';
import { Cancellation, isPromise, orAborted, type AbortState } from '../helpers/abort.js';
import { networkOf } from '../request/client-address.js';
import { UNCOUNTED, type Lease } from '../helpers/lease.js';
import { LocalCounter, type Counter, type SlotRequest } from './counter.js';

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
    const slot = this.#counter.take([{ name: 'total', most: total }]);
    return typeof slot === 'number' ? tooManyOpenings() : slot;
  }

  /** A slot among the openings of one client; throws the 429. */
  startOf(address: string): Lease {
    const { perClient } = this.#limits;
    if (perClient === 0) return UNCOUNTED;
    const slot = this.#counter.take([{ name: `client ${networkOf(address)}`, most: perClient }]);
    if (typeof slot === 'number') throw tooManyOpeningsOfClient();
    return slot;
  }
}

/** The first words of the names whose slots are limited. */
export function limitedKinds(
  tunnels: TunnelLimits,
  openings: CountLimits,
  hosts: readonly number[],
): string[] {
  const limits = {
    client: tunnels.perClient,
    user: tunnels.perUser,
    total: tunnels.total,
    'opening-client': openings.perClient,
    opening: openings.total,
    host: hosts.some((most) => most > 0) ? 1 : 0,
  };
  return Object.entries(limits).flatMap(([kind, most]) => (most > 0 ? [kind] : []));
}

/**
 * Takes a slot for another tunnel of this client, until `release`. Throws the 429 or 503 if no slot is free, the 503 if the counter
 * fails, and the signal's reason after the signal aborts. Returns a promise only if the counter does.
 */
export function takeSlot(
  counter: Counter,
  { total, perClient, perUser }: TunnelLimits,
  { address, user }: SlotOwner,
  signal: AbortState = new Cancellation(),
): Lease | Promise<Lease> {
  return takeAll(
    counter,
    [
      { name: `client ${networkOf(address)}`, most: perClient, refusal: tooManyOfClient },
      ...(user === undefined ? [] : [{ name: `user ${user}`, most: perUser, refusal: tooManyOfUser }]),
      { name: 'total', most: total, refusal: tooMany },
    ],
    signal,
  );
}

/**
 * Takes a slot for another opening of this client among those of all processes. One process counts its own by `OpeningCounter`,
 * before any wait.
 */
export function takeOpeningSlot(
  counter: Counter,
  { total, perClient }: CountLimits,
  address: string,
  signal: AbortState,
): Lease | Promise<Lease> {
  return takeAll(
    counter,
    [
      { name: `opening-client ${networkOf(address)}`, most: perClient, refusal: tooManyOpeningsOfClient },
      { name: 'opening', most: total, refusal: tooManyOpenings },
    ],
    signal,
  );
}

/** Takes a slot at a host with `maxTunnels`; undefined if none is free. */
export function takeHostSlot(
  counter: Counter,
  id: string,
  most: number,
  signal: AbortState,
): Lease | undefined | Promise<Lease | undefined> {
  const taking = ask(counter, [{ name: `host ${id}`, most }], signal);
  const leaseIn = (taken: Lease | number) => (typeof taken === 'number' ? undefined : taken);
  return isPromise(taking) ? taking.then(leaseIn) : leaseIn(taking);
}

/** One of the counts that a tunnel needs a slot of; `most` 0 means no limit. */
interface Count extends SlotRequest {
  readonly refusal: () => TunnelError;
}

const tooManyOfClient = () => new TunnelError('WSTUNNEL_TOO_MANY', 'too many open tunnels for this client');
const tooManyOfUser = () => new TunnelError('WSTUNNEL_TOO_MANY', 'too many open tunnels for this user');
const tooMany = () => new TunnelError('WSTUNNEL_FULL', 'too many open tunnels');
const tooManyOpenings = () => new TunnelError('WSTUNNEL_FULL', 'too many tunnels are being opened', RETRY);
const tooManyOpeningsOfClient = () =>
  new TunnelError('WSTUNNEL_TOO_MANY', 'too many tunnels are being opened by this client', RETRY);

/** A slot of each count, or none at all. */
function takeAll(counter: Counter, counts: readonly Count[], signal: AbortState): Lease | Promise<Lease> {
  // Counted without a limit too: reloaded settings may have a limit, and the open tunnels count against that limit.
  const slots = counts.map(({ name, most }) => ({ name, most: most === 0 ? Infinity : most }));
  const leaseIn = (taken: Lease | number) => {
    if (typeof taken === 'number') throw counts[taken]?.refusal() ?? tooMany();
    return taken;
  };
  const taking = ask(counter, slots, signal);
  return isPromise(taking) ? taking.then(leaseIn) : leaseIn(taking);
}

/** The counter may be slow or unreachable: a slot that arrives after the abort is released. Returns a promise only if the counter does. */
function ask(
  counter: Counter,
  slots: readonly SlotRequest[],
  signal: AbortState,
): Lease | number | Promise<Lease | number> {
  signal.throwIfAborted();
  try {
    const taking = counter.take(slots);
    return isPromise(taking) ? orReleased(taking, signal) : taking;
  } catch (error) {
    throw counterFailed(error);
  }
}

/** The outcome; a lease is released if the signal aborts first. The counter has a deadline of its own. */
async function orReleased(taking: Promise<Lease | number>, signal: AbortState): Promise<Lease | number> {
  try {
    return await orAborted(signal, () => taking);
  } catch (error) {
    taking
      .then((taken) => {
        if (typeof taken !== 'number') taken.release();
      })
      .catch(() => undefined);
    throw signal.aborted && error === signal.reason ? error : counterFailed(error);
  }
}

/** The store of a shared counter is down. The client gets no details: the store's errors name its address. */
function counterFailed(cause: unknown): TunnelError {
  const message = 'tunnels cannot be counted at the moment';
  return new TunnelError('WSTUNNEL_STATE_DOWN', message, { ...RETRY, cause });
}

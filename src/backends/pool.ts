import { leaseOf, type Lease } from '../helpers/lease.js';
import type { BackendInfo, BalanceStrategy, HostState } from '../types.js';
import type { Failure } from './failure.js';
import type { ResolvedHost } from './host.js';

/** Seconds after which a host that only functions name, and that nobody uses, is forgotten. */
const FORGET_AFTER = 600;

/** Seconds until a host that is down is tried again where no other is up. */
const TRY_AGAIN_AFTER = 0.5;

/** Connections in a row that a host may reset before it counts as down. */
const MOST_RESETS = 3;

/** Above so many, those that nobody uses are forgotten at once. */
const MAX_HOSTS = 10_000;

const NOTHING: Lease = { release: () => undefined };

/** What a failed connection makes of its host: it stays up, or it is down, since now or since before. */
export type Outage = 'none' | 'new' | 'known';

/** What is known of an address: shared by all requests, whatever their settings for it. */
class AddressState {
  readonly id: string;
  load = 0;
  downUntil = 0;
  /** While nothing else is up: not before this, and one at a time. */
  tryAt = 0;
  isTried = false;
  failed = false;
  /** Connections that it has taken, and those that it has reset since the last of them. */
  taken = 0;
  resets = 0;
  lastSeen = 0;
  /** Named in the options: never forgotten. */
  isListed = false;
  /** With the settings that it was last asked for with. */
  view: PooledHost | undefined;

  constructor(id: string) {
    this.id = id;
  }

  get up(): boolean {
    // The clock is not for free, and a list may be long.
    return this.downUntil === 0 || performance.now() >= this.downUntil;
  }
}

/** An address with one request's settings for it. */
export class PooledHost implements HostState {
  readonly host: ResolvedHost;
  readonly state: AddressState;

  constructor(host: ResolvedHost, state: AddressState) {
    this.host = host;
    this.state = state;
  }

  get id(): string {
    return this.state.id;
  }

  get load(): number {
    return this.state.load;
  }

  get up(): boolean {
    return this.state.up;
  }

  /** Connections that it has taken. */
  get taken(): number {
    return this.state.taken;
  }

  /** May it be tried although it is down? Others are answered at once meanwhile. */
  get isDue(): boolean {
    return !this.state.isTried && performance.now() >= this.state.tryAt;
  }

  /** As many tunnels as it may have? */
  get full(): boolean {
    const { maxTunnels } = this.host;
    return maxTunnels > 0 && this.load >= maxTunnels;
  }
}

/** The states of all hosts that a tunnel has met, by address. */
export class BackendPool {
  readonly #states = new Map<string, AddressState>();
  // A list of the options is the same array each time.
  readonly #lists = new WeakMap<readonly ResolvedHost[], readonly PooledHost[]>();
  #swept = 0;
  readonly #announce: (info: BackendInfo) => void;
  readonly #complain: (error: unknown) => void;

  /** `complain` hears what a strategy's `opened` and `closed` throw: the load is counted all the same. */
  constructor(announce: (info: BackendInfo) => void, complain: (error: unknown) => void) {
    this.#announce = announce;
    this.#complain = complain;
  }

  /** Knows a list of the options for good. */
  add(hosts: readonly ResolvedHost[]): void {
    const list = this.#viewsOf(hosts);
    for (const { state } of list) state.isListed = true;
    this.#lists.set(hosts, list);
  }

  /** Their states, in the given order, each address once. */
  statesOf(hosts: readonly ResolvedHost[]): readonly PooledHost[] {
    return this.#lists.get(hosts) ?? this.#viewsOf(hosts);
  }

  /** Counts a tunnel at a host from now on: connecting counts. */
  lease(host: PooledHost, strategy: Pick<BalanceStrategy, 'opened' | 'closed'>): Lease {
    const { state } = host;
    // It may have been forgotten since it was asked for.
    this.#states.set(state.id, state);
    state.load++;
    this.#tell(() => strategy.opened?.(host));
    return leaseOf(() => {
      state.load--;
      this.#tell(() => strategy.closed?.(host));
    });
  }

  /** While a host that is down is being tried nobody else tries it. Free it with `release`. */
  tryOut({ state, up }: PooledHost): Lease {
    if (up) return NOTHING;
    state.isTried = true;
    return leaseOf(() => (state.isTried = false));
  }

  connected({ state }: PooledHost): void {
    const { failed, id } = state;
    state.failed = false;
    state.downUntil = 0;
    state.taken++;
    state.resets = 0;
    if (failed) this.#announce({ id, up: true });
  }

  /**
   * A connection failed. Takes the host down, unless it has taken another connection since this one began, at which `taken`
   * was so much, or has reset only a few: one failure of many is no outage.
   */
  failed(
    { host, state }: PooledHost,
    reason: string,
    failure: Failure = 'down',
    taken = state.taken,
  ): Outage {
    const { failed, id } = state;
    if (failure === 'ours' || state.taken !== taken) return 'none';
    if (failure === 'passing' && !failed && ++state.resets < MOST_RESETS) return 'none';
    const now = performance.now();
    state.failed = true;
    state.downUntil = now + host.disableTime * 1000;
    state.tryAt = now + Math.min(host.disableTime, TRY_AGAIN_AFTER) * 1000;
    if (!failed) this.#announce({ id, up: false, reason });
    return failed ? 'known' : 'new';
  }

  snapshot(): HostState[] {
    return Array.from(this.#states.values(), ({ id, load, up, view }) => ({
      ...{ id, host: view?.host ?? {} },
      ...{ load, up },
    }));
  }

  /** It may be asynchronous, although nobody waits for it. */
  #tell(strategy: () => unknown): void {
    const telling = async () => {
      await strategy();
    };
    telling().catch(this.#complain);
  }

  #viewsOf(hosts: readonly ResolvedHost[]): readonly PooledHost[] {
    const now = performance.now();
    this.#sweep(now);
    const views = new Map<AddressState, PooledHost>();
    for (const host of hosts) {
      const state = this.#stateOf(host.id);
      state.lastSeen = now;
      if (!views.has(state)) views.set(state, viewOf(host, state));
    }
    return Object.freeze([...views.values()]);
  }

  #stateOf(id: string): AddressState {
    const known = this.#states.get(id);
    if (known) return known;
    const added = new AddressState(id);
    this.#states.set(id, added);
    return added;
  }

  /** Forgets what functions have named and nobody uses. */
  #sweep(now: number): void {
    const many = this.#states.size >= MAX_HOSTS;
    if (!many && now - this.#swept < (FORGET_AFTER / 2) * 1000) return;
    this.#swept = now;
    for (const [id, { isListed, load, up, lastSeen }] of this.#states)
      if (!isListed && load === 0 && up && (many || now - lastSeen > FORGET_AFTER * 1000))
        this.#states.delete(id);
  }
}

/** The same object as long as the settings are the same: a strategy may remember it. */
function viewOf(host: ResolvedHost, state: AddressState): PooledHost {
  if (!state.view || !isSame(state.view.host, host)) state.view = new PooledHost(host, state);
  return state.view;
}

function isSame(a: ResolvedHost, b: ResolvedHost): boolean {
  if (a === b) return true;
  const names = Object.keys(a);
  const other = b as Record<string, unknown>;
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.is((a as Record<string, unknown>)[name], other[name]))
  );
}

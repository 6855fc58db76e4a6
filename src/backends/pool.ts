import { leaseOf, type Lease } from '../helpers/lease.js';
import type { BackendInfo, BalanceStrategy, HostState } from '../types.js';
import type { Failure } from './failure.js';
import { AddressState, HostStates, type OutageListener, type Outage } from './host-states.js';
import { without } from '../helpers/without.js';
import type { ResolvedHost } from './host.js';

/** Seconds after which a host that only functions name, and that nobody uses, is forgotten. */
const FORGET_AFTER = 600;

/** Above so many, those that nobody uses are forgotten at once. */
const MAX_HOSTS = 10_000;

const NOTHING: Lease = { release: () => undefined };

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
    return this.state.accepted;
  }

  /** May it be tried although it is down? Others are answered at once meanwhile. */
  get isDue(): boolean {
    return !this.state.isOnTrial && performance.now() >= this.state.tryAt;
  }

  /** As many tunnels as it may have? */
  get full(): boolean {
    const { maxTunnels } = this.host;
    return maxTunnels > 0 && this.load >= maxTunnels;
  }
}

/** A host that one tunnel has met. */
interface Known {
  readonly state: AddressState;
  /** With the settings that it was last asked for with. */
  view: PooledHost;
  lastSeen: number;
  /** Named in the options: never forgotten. */
  isListed: boolean;
}

/** The hosts that one tunnel has met, by address; their states may be shared with other tunnels. */
export class BackendPool implements OutageListener {
  readonly #known = new Map<string, Known>();
  // A list of the options is the same array each time.
  readonly #lists = new WeakMap<readonly ResolvedHost[], readonly PooledHost[]>();
  #swept = 0;
  #isClosed = false;
  readonly announce: (info: BackendInfo) => void;
  readonly #complain: (error: unknown) => void;
  readonly #states: HostStates;

  /** `complain` hears what a strategy's `opened` and `closed` throw: the load is counted all the same. */
  constructor(
    announce: (info: BackendInfo) => void,
    complain: (error: unknown) => void,
    states = new HostStates(),
  ) {
    this.announce = announce;
    this.#complain = complain;
    this.#states = states;
    states.add(this);
  }

  /** Knows a list of the options for good. */
  add(hosts: readonly ResolvedHost[]): void {
    const list = this.#viewsOf(hosts);
    for (const { id } of list) {
      const known = this.#known.get(id);
      if (known) known.isListed = true;
    }
    this.#lists.set(hosts, list);
  }

  knows(id: string): boolean {
    return this.#known.has(id);
  }

  /** Their states, in the given order, each address once. */
  statesOf(hosts: readonly ResolvedHost[]): readonly PooledHost[] {
    return this.#lists.get(hosts) ?? this.#viewsOf(hosts);
  }

  /** Counts a tunnel at a host from now on: connecting counts. */
  lease(host: PooledHost, strategy: Pick<BalanceStrategy, 'opened' | 'closed'>): Lease {
    const { state } = host;
    this.#states.load(state, host.host);
    this.#tell(() => strategy.opened?.(host));
    return leaseOf(() => {
      this.#states.unload(state);
      this.#tell(() => strategy.closed?.(host));
    });
  }

  /** While a host that is down is being tried nobody else tries it. Free it with `release`. */
  tryOut({ state, up }: PooledHost): Lease {
    if (up) return NOTHING;
    state.isOnTrial = true;
    return leaseOf(() => (state.isOnTrial = false));
  }

  connected({ state }: PooledHost): void {
    this.#states.connected(state);
  }

  /** See {@link HostStates.failed}. */
  failed({ host, state }: PooledHost, reason: string, failure?: Failure, taken?: number): Outage {
    return this.#states.failed(state, host, reason, failure, taken);
  }

  /** The hosts that it knows, and those that others use. */
  snapshot(): HostState[] {
    const own = Array.from(this.#known.values(), ({ state, view }) => ({ state, host: view.host }));
    const busy = this.#isClosed ? [] : this.#states.busy();
    const others = busy.filter(({ id }) => !this.#known.has(id));
    return [...own, ...others.map((state) => ({ state, host: state.host }))].map(({ state, host = {} }) => {
      const { id, load, up } = state;
      return { id, host: withoutKeys(host), load, up };
    });
  }

  /** Hears nothing any more and holds no state; what it knows stays to be looked at. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#states.remove(this);
    for (const { state } of this.#known.values()) this.#states.release(state);
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
      const known = this.#meet(host, now);
      if (!views.has(known.state)) views.set(known.state, known.view);
    }
    return Object.freeze([...views.values()]);
  }

  /** The same view as long as the settings are the same: a strategy may remember it. */
  #meet(host: ResolvedHost, now: number): Known {
    const known = this.#known.get(host.id);
    if (known) {
      known.lastSeen = now;
      if (!isSame(known.view.host, host)) known.view = new PooledHost(host, known.state);
      return known;
    }
    // After its end nothing would release it.
    const state = this.#isClosed ? new AddressState(host.id) : this.#states.acquire(host.id);
    const added = { state, view: new PooledHost(host, state), lastSeen: now, isListed: false };
    this.#known.set(host.id, added);
    return added;
  }

  /** Forgets what functions have named and nobody uses. */
  #sweep(now: number): void {
    const many = this.#known.size >= MAX_HOSTS;
    if (this.#isClosed || (!many && now - this.#swept < (FORGET_AFTER / 2) * 1000)) return;
    this.#swept = now;
    for (const [id, { isListed, state, lastSeen }] of this.#known) {
      if (isListed || state.load > 0 || !state.up) continue;
      if (!many && now - lastSeen <= FORGET_AFTER * 1000) continue;
      this.#known.delete(id);
      this.#states.release(state);
    }
  }
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

/** Statistics are shown to people and logged: certificates, keys and passphrases stay out of them. */
function withoutKeys(host: Partial<ResolvedHost>): Partial<ResolvedHost> {
  const { tls } = host;
  return { ...without(host, 'tls', 'secureContext'), ...(tls !== undefined && { tls: tls !== false }) };
}

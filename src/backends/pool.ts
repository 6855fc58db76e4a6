import { leaseOf, UNCOUNTED, type Lease } from '../helpers/lease.js';
import { without } from '../helpers/without.js';
import { redactUrl } from '../observe/redact.js';
import type { BackendInfo, BalanceStrategy, HostState } from '../types.js';
import type { Failure } from './failure.js';
import { AddressState, HostStates, type OutageListener, type Outage } from './host-states.js';
import type { ResolvedHost } from './host.js';
import { PooledHost } from './pooled-host.js';
import { sharedIdOf } from './shared-id.js';

/** Seconds after which the pool forgets an unused host that only functions have named. */
const FORGET_AFTER = 600;

/** With more hosts than this, the pool forgets unused hosts at once. */
const MAX_HOSTS = 10_000;

/** A host that the tunnel knows: the options name the host, or a request used it. */
interface KnownHost {
  readonly state: AddressState;
  /** The host with the settings of the latest request. */
  view: PooledHost;
  lastSeen: number;
  /** Is the host named in the options? The pool never forgets such a host. */
  isListed: boolean;
}

/** The hosts that one tunnel object knows, by address. The states of the hosts may be shared with other tunnel objects. */
export class BackendPool implements OutageListener {
  readonly #known = new Map<string, KnownHost>();
  // The options give the same array for each request.
  readonly #lists = new WeakMap<readonly ResolvedHost[], readonly PooledHost[]>();
  #swept = 0;
  #isClosed = false;
  readonly announce: (info: BackendInfo) => void;
  readonly #onStrategyError: (error: unknown) => void;
  readonly #states: HostStates;

  /** `onStrategyError` gets errors of a strategy's `opened` and `closed`. The load is counted in any case. */
  constructor(
    announce: (info: BackendInfo) => void,
    onStrategyError: (error: unknown) => void,
    states = new HostStates(),
  ) {
    this.announce = announce;
    this.#onStrategyError = onStrategyError;
    this.#states = states;
    states.add(this);
  }

  /** Adds a list of hosts from the options. The pool never forgets these hosts. */
  add(hosts: readonly ResolvedHost[]): void {
    const list = this.#viewsOf(hosts);
    for (const { id } of list) {
      const known = this.#known.get(id);
      if (known) known.isListed = true;
    }
    this.#lists.set(hosts, list);
  }

  /** Do options of this tunnel object name the host? */
  isListed({ id }: PooledHost): boolean {
    return this.#known.get(id)?.isListed === true;
  }

  knows(id: string): boolean {
    return this.#known.has(id);
  }

  /** The hosts with their states, in the given order, each address once. */
  statesOf(hosts: readonly ResolvedHost[]): readonly PooledHost[] {
    return this.#lists.get(hosts) ?? this.#viewsOf(hosts);
  }

  /** Counts a tunnel at a host, from the start of the dial until `release`. */
  lease(host: PooledHost, strategy: Pick<BalanceStrategy, 'opened' | 'closed'>): Lease {
    this.#states.load(host.state, host.host);
    if (strategy.opened) this.#notify(() => strategy.opened?.(host));
    return new HostLease(this, host, strategy);
  }

  /** The opposite of {@link lease}. */
  release(host: PooledHost, strategy: Pick<BalanceStrategy, 'closed'>): void {
    this.#states.unload(host.state);
    if (strategy.closed) this.#notify(() => strategy.closed?.(host));
  }

  /** Keeps other requests from trying a host that is down, until `release`. */
  tryOut({ state, up }: PooledHost): Lease {
    if (up) return UNCOUNTED;
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

  /** The hosts that this tunnel object knows, and the hosts with open tunnels of other tunnel objects that share the states. */
  snapshot(): HostState[] {
    const own = Array.from(this.#known.values(), ({ state, view }) => ({
      state,
      host: view.host,
      load: view.load,
    }));
    const busy = this.#isClosed ? [] : this.#states.busy();
    const others = busy.filter(({ id }) => !this.#known.has(id));
    return [...own, ...others.map((state) => ({ state, host: state.host, load: state.load }))].map(
      ({ state: { id, up }, host = {}, load }) => ({ id, host: withoutKeys(host), load, up }),
    );
  }

  /** Ends the announcements and releases all states. `snapshot` still shows the known hosts. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#states.remove(this);
    for (const { state } of this.#known.values()) this.#states.release(state);
  }

  /** Calls a function of a strategy without waiting for the result. Errors and rejections are reported. */
  #notify(call: () => unknown): void {
    const called = async () => {
      await call();
    };
    called().catch(this.#onStrategyError);
  }

  #viewsOf(hosts: readonly ResolvedHost[]): readonly PooledHost[] {
    const now = performance.now();
    this.#sweep(now);
    const views = new Map<AddressState, PooledHost>();
    for (const host of hosts) {
      const known = this.#know(host, now);
      if (!views.has(known.state)) views.set(known.state, known.view);
    }
    return Object.freeze([...views.values()]);
  }

  /** Returns the same view while the settings are the same, since a strategy may remember the view. */
  #know(host: ResolvedHost, now: number): KnownHost {
    const known = this.#known.get(host.id);
    if (known) {
      known.lastSeen = now;
      if (!isSame(known.view.host, host)) known.view = new PooledHost(host, known.state, this.#states.others);
      return known;
    }
    // After close() no code would release a shared state.
    const state = this.#isClosed
      ? new AddressState(host.id)
      : this.#states.acquire(host.id, sharedIdOf(host));
    const added = {
      state,
      view: new PooledHost(host, state, this.#states.others),
      lastSeen: now,
      isListed: false,
    };
    this.#known.set(host.id, added);
    return added;
  }

  /** Forgets unused hosts that only functions have named. */
  #sweep(now: number): void {
    const isCrowded = this.#known.size >= MAX_HOSTS;
    if (this.#isClosed || (!isCrowded && now - this.#swept < (FORGET_AFTER / 2) * 1000)) return;
    this.#swept = now;
    for (const [id, { isListed, state, lastSeen }] of this.#known) {
      if (isListed || state.load > 0 || !state.up) continue;
      if (!isCrowded && now - lastSeen <= FORGET_AFTER * 1000) continue;
      this.#known.delete(id);
      this.#states.release(state);
    }
  }
}

/** The lease of one tunnel: smaller than a closure. */
class HostLease implements Lease {
  #pool: BackendPool | undefined;
  readonly #host: PooledHost;
  readonly #strategy: Pick<BalanceStrategy, 'closed'>;

  constructor(pool: BackendPool, host: PooledHost, strategy: Pick<BalanceStrategy, 'closed'>) {
    this.#pool = pool;
    this.#host = host;
    this.#strategy = strategy;
  }

  release(): void {
    const pool = this.#pool;
    this.#pool = undefined;
    pool?.release(this.#host, this.#strategy);
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

/** Statistics are shown to people and logged: they must not contain certificates, keys, passphrases, tickets and cookies. */
function withoutKeys(host: Partial<ResolvedHost>): Partial<ResolvedHost> {
  const { tls, url } = host;
  return {
    ...without(host, 'tls', 'secureContext', 'headers', 'websocket'),
    ...(tls !== undefined && { tls: tls !== false }),
    ...(url !== undefined && { url: redactUrl(url) }),
  };
}

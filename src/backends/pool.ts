import type { BackendInfo, BalanceStrategy, HostState } from '../types.js';
import type { ResolvedHost } from './dial.js';

/** A place taken at a host; `release` may be called more than once and counts once. */
export interface Lease {
  release(): void;
}

/** More addresses than a list in the options has; above it idle ones are forgotten. */
const MAX_HOSTS = 10_000;

/** One host of the pool. */
export class PooledHost implements HostState {
  readonly id: string;
  readonly order: number;
  host: ResolvedHost;
  load = 0;
  #downUntil = 0;
  #failed = false;

  constructor(id: string, order: number, host: ResolvedHost) {
    this.id = id;
    this.order = order;
    this.host = host;
  }

  get up(): boolean {
    return performance.now() >= this.#downUntil;
  }

  /** True if it was well until now. */
  markDown(): boolean {
    const first = !this.#failed;
    this.#failed = true;
    this.#downUntil = performance.now() + this.host.disableTime * 1000;
    return first;
  }

  /** True if it had failed before. */
  markUp(): boolean {
    const first = this.#failed;
    this.#failed = false;
    this.#downUntil = 0;
    return first;
  }

  snapshot(): HostState {
    const { id, host, load, up, order } = this;
    return { id, host, load, up, order };
  }
}

/** The states of all hosts that a tunnel has met, by address. */
export class BackendPool {
  readonly #hosts = new Map<string, PooledHost>();
  #order = 0;
  readonly #announce: (info: BackendInfo) => void;
  readonly #complain: (error: unknown) => void;

  /** `complain` hears what a strategy's `opened` and `closed` throw: the load is counted all the same. */
  constructor(announce: (info: BackendInfo) => void, complain: (error: unknown) => void) {
    this.#announce = announce;
    this.#complain = complain;
  }

  /** Their states, in the given order, each address once. */
  statesOf(hosts: readonly ResolvedHost[]): PooledHost[] {
    return [...new Set(hosts.map((host) => this.#stateOf(host)))];
  }

  /** Counts a tunnel at a host from now on: connecting counts. */
  lease(host: PooledHost, strategy: Pick<BalanceStrategy, 'opened' | 'closed'>): Lease {
    host.load++;
    let held = true;
    this.#tell(() => strategy.opened?.(host));
    const release = () => {
      if (!held) return;
      held = false;
      host.load--;
      this.#tell(() => strategy.closed?.(host));
    };
    return { release };
  }

  connected(host: PooledHost): void {
    if (host.markUp()) this.#announce({ id: host.id, up: true });
  }

  failed(host: PooledHost, reason: string): void {
    if (host.markDown()) this.#announce({ id: host.id, up: false, reason });
  }

  snapshot(): HostState[] {
    return Array.from(this.#hosts.values(), (host) => host.snapshot());
  }

  /** It may be asynchronous, although nobody waits for it. */
  #tell(strategy: () => unknown): void {
    const telling = async () => {
      await strategy();
    };
    telling().catch(this.#complain);
  }

  /** Hosts that functions returned and that nobody uses are forgotten, once there are many. */
  #sweep(): void {
    if (this.#hosts.size < MAX_HOSTS) return;
    for (const [id, host] of this.#hosts) if (host.load === 0 && host.up) this.#hosts.delete(id);
  }

  #stateOf(host: ResolvedHost): PooledHost {
    const id = idOf(host);
    const known = this.#hosts.get(id);
    if (known) {
      // A function may return the same address with other settings.
      known.host = host;
      return known;
    }
    this.#sweep();
    const added = new PooledHost(id, this.#order++, host);
    this.#hosts.set(id, added);
    return added;
  }
}

function idOf(host: ResolvedHost): string {
  if (host.socket !== undefined) return `unix:${host.socket}`;
  const name = host.host ?? '127.0.0.1';
  return `${name.includes(':') ? `[${name}]` : name}:${host.port ?? 0}`;
}

import type { Message } from './messages.js';

/** Limit of hosts in a message and in memory: `server` functions may name any host. */
const MAX_HOSTS = 10_000;

type HostsMessage = Extract<Message, { kind: 'hosts' }>;

interface Peer {
  readonly heardAt: number;
  readonly loads: ReadonlyMap<string, number>;
  /** Times until which hosts are down. */
  readonly down: ReadonlyMap<string, number>;
}

/** Reports of other replicas about hosts: loads for `fair`, a few seconds old, and outages. Times by `performance.now()`. */
export class PeerHosts {
  readonly #ttl: number;
  readonly #peers = new Map<string, Peer>();
  readonly #loads = new Map<string, number>();
  #down = new Map<string, number>();

  /** `ttl`: seconds after which the last report of a silent replica is forgotten. */
  constructor(ttl: number) {
    this.#ttl = ttl * 1000;
  }

  /** Tunnels of other replicas at this host. */
  loadOf(id: string): number {
    return this.#loads.get(id) ?? 0;
  }

  /** Did another replica fail to reach this host just now? */
  isDown(id: string): boolean {
    return this.#down.size > 0 && (this.#down.get(id) ?? 0) > performance.now();
  }

  /** True if there is no report of another replica. */
  get isEmpty(): boolean {
    return this.#peers.size === 0;
  }

  heard({ from, loads, down }: HostsMessage): void {
    const now = performance.now();
    const downUntil = Object.entries(down).map(([id, seconds]) => [id, now + seconds * 1000] as const);
    const peer = {
      heardAt: now,
      loads: new Map(Object.entries(loads).slice(0, MAX_HOSTS)),
      down: new Map(downUntil.slice(0, MAX_HOSTS)),
    };
    this.#remove(from);
    this.#peers.set(from, peer);
    for (const [id, load] of peer.loads) this.#loads.set(id, this.loadOf(id) + load);
    this.#joinDown(now);
  }

  /** The addresses of replicas with a report in the last `ttl` seconds. */
  replicas(): Iterable<string> {
    return this.#peers.keys();
  }

  forget(from: string): void {
    if (this.#remove(from)) this.#joinDown(performance.now());
  }

  /** Forgets replicas that are silent. */
  sweep(): void {
    const now = performance.now();
    const silent = [...this.#peers].filter(([, { heardAt }]) => now - heardAt > this.#ttl);
    for (const [from] of silent) this.#remove(from);
    if (silent.length > 0) this.#joinDown(now);
  }

  /**
   * Subtracts the last report of a replica. Adding up the reports of all replicas for each message would take much of a core with a
   * hundred replicas.
   */
  #remove(from: string): boolean {
    for (const [id, load] of this.#peers.get(from)?.loads ?? []) {
      const rest = this.loadOf(id) - load;
      if (rest === 0) this.#loads.delete(id);
      else this.#loads.set(id, rest);
    }
    return this.#peers.delete(from);
  }

  #joinDown(now: number): void {
    this.#down = new Map();
    for (const { down } of this.#peers.values())
      for (const [id, until] of down)
        if (until > now) this.#down.set(id, Math.max(until, this.#down.get(id) ?? 0));
  }
}

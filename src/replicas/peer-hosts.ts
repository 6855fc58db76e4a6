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

/** What other replicas have said about hosts: loads for `fair`, a few seconds old, and outages. Times by `performance.now()`. */
export class PeerHosts {
  readonly #ttl: number;
  readonly #peers = new Map<string, Peer>();
  #loads = new Map<string, number>();
  #down = new Map<string, number>();

  /** `ttl`: seconds after which the words of a silent replica are forgotten. */
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

  heard({ from, loads, down }: HostsMessage): void {
    const now = performance.now();
    const downUntil = Object.entries(down).map(([id, seconds]) => [id, now + seconds * 1000] as const);
    this.#peers.set(from, {
      heardAt: now,
      loads: new Map(Object.entries(loads).slice(0, MAX_HOSTS)),
      down: new Map(downUntil.slice(0, MAX_HOSTS)),
    });
    this.#sum(now);
  }

  /** The replicas that have spoken in the last seconds. */
  replicas(): Iterable<string> {
    return this.#peers.keys();
  }

  forget(from: string): void {
    if (this.#peers.delete(from)) this.#sum(performance.now());
  }

  /** Forgets replicas that are silent. */
  sweep(): void {
    const now = performance.now();
    const silent = [...this.#peers].filter(([, { heardAt }]) => now - heardAt > this.#ttl);
    for (const [from] of silent) this.#peers.delete(from);
    if (silent.length > 0) this.#sum(now);
  }

  #sum(now: number): void {
    this.#loads = new Map();
    this.#down = new Map();
    for (const { loads, down } of this.#peers.values()) {
      for (const [id, load] of loads) this.#loads.set(id, (this.#loads.get(id) ?? 0) + load);
      for (const [id, until] of down)
        if (until > now) this.#down.set(id, Math.max(until, this.#down.get(id) ?? 0));
    }
  }
}

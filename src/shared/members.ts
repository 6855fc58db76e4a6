import type { SampledTunnel } from '../admin/tunnel-row.js';
import type { ResolvedHost } from '../backends/host.js';
import type { Picks, RecentEnds } from '../guard/recent-ends.js';
import type { Log } from '../observe/log.js';
import type { OpenSums } from '../observe/metrics/open-sums.js';
import type { BackendInfo, SharedInfo, TunnelInfo } from '../types.js';

/** An open tunnel, as seen by the other tunnel objects with the same state. */
export interface SharedTunnel extends SampledTunnel {
  /** The arrival of the opening request, by `performance.now()`. */
  readonly arrived: number;
  /** The id of the host among processes that share the state. */
  readonly sharedHost: string | undefined;
  info(): TunnelInfo;
  /** Adds the tunnel's share to the sums of `metrics()`. */
  addTo(sums: OpenSums): void;
  /** Sends the Close 4409: another tunnel of the same user gets the slot at the host. */
  replace(reason: string): void;
  untilClosed(): Promise<void>;
  destroy(): void;
}

/** A tunnel object with access to the state. */
export interface Member {
  /** The option `name`. */
  readonly name: string | undefined;
  readonly log: Log;
  /** Receives the outages of hosts that the tunnel object knows. */
  announce(info: BackendInfo): void;
  /** The store of the shared state answers, or no longer answers. */
  sharedChanged(info: SharedInfo): void;
  /** The hosts in the options of the tunnel object. */
  readonly lists: readonly (readonly ResolvedHost[])[];
  readonly open: ReadonlySet<SharedTunnel>;
  /** Requests before the 101 response. */
  readonly opening: ReadonlySet<unknown>;
  readonly ends: RecentEnds;
  isDraining(): boolean;
  /** Ends tunnels and openings of this tunnel object that began before `at`, by default now, and returns how many. */
  end(picks: Picks, code: number, reason: string, at?: number): number;
}

/** The tunnel objects that share a state, in the order of their creation. */
export class Members {
  readonly #all = new Set<Member>();

  get size(): number {
    return this.#all.size;
  }

  get newest(): Member | undefined {
    return [...this.#all].at(-1);
  }

  add(member: Member): void {
    this.#all.add(member);
  }

  /** All members, oldest first. */
  all(): readonly Member[] {
    return [...this.#all];
  }

  delete(member: Member): void {
    this.#all.delete(member);
  }

  /** The members with this name, such as the tunnel objects before and after a reload. */
  named(name: string | undefined): Member[] {
    return [...this.#all].filter((member) => member.name === name);
  }

  /** The open tunnels that the filter selects, with their data, newest last. */
  select(picks: Picks): { tunnel: SharedTunnel; info: TunnelInfo }[] {
    const found: { tunnel: SharedTunnel; info: TunnelInfo }[] = [];
    for (const { open, name } of this.#all)
      for (const tunnel of open) {
        const info = tunnel.info();
        if (picks(info, name)) found.push({ tunnel, info });
      }
    // Each member lists its tunnels in order: after a reload several members may have open tunnels.
    return this.#all.size > 1 ? found.sort((a, b) => a.info.since - b.info.since) : found;
  }

  /** Ends the tunnels and openings of all members that the filter selects. */
  end(picks: Picks, code: number, reason: string, at?: number): number {
    let ended = 0;
    for (const member of [...this.#all]) ended += member.end(picks, code, reason, at);
    return ended;
  }
}

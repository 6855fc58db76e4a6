import { HostStates } from '../backends/host-states.js';
import type { ResolvedHost } from '../backends/host.js';
import { BackendPool } from '../backends/pool.js';
import { Spawner } from '../backends/spawn/spawner.js';
import { messageOf } from '../errors.js';
import { LocalCounter, type Counter } from '../guard/limits.js';
import type { Log } from '../observe/log.js';
import type { BackendInfo } from '../types.js';

/** A tunnel object with access to the state. */
interface Member {
  readonly log: Log;
  /** Receives the outages of hosts that the tunnel object knows. */
  announce(info: BackendInfo): void;
  /** The hosts in the options of the tunnel object. */
  readonly lists: readonly (readonly ResolvedHost[])[];
}

/** The access of a tunnel object to the state. */
interface Membership {
  readonly pool: BackendPool;
  /**
   * Ends the membership. Programs that are not named or used by other tunnel objects end within `timeout` seconds. When the last
   * tunnel object leaves, all programs end.
   */
  leave(timeout: number): Promise<void>;
}

/**
 * State that outlives one tunnel object, in the memory of this process: the counts of `limits`, the states of hosts, and the
 * spawned programs. Several tunnel objects may share one state, such as the objects before and after a reload.
 */
export class LocalState {
  readonly counter: Counter = new LocalCounter();
  readonly spawner: Spawner;
  readonly #hosts = new HostStates();
  readonly #members = new Set<Member>();

  constructor() {
    this.spawner = new Spawner(
      (format, ...values) => this.#log('debug', format, ...values),
      (host, why) => {
        this.#log('warn', '%s failed: %s', host.id, why);
        this.#hosts.programFailed(host, why);
      },
    );
  }

  join(member: Member): Membership {
    const { log, lists } = member;
    const pool = new BackendPool(
      (info) => member.announce(info),
      (error) => log('backend', 'error', 'balance strategy failed: %s', messageOf(error)),
      this.#hosts,
    );
    this.#members.add(member);
    for (const hosts of lists) {
      pool.add(hosts);
      this.spawner.add(hosts);
    }
    return { pool, leave: (timeout) => this.#leave(member, pool, timeout) };
  }

  async #leave(member: Member, pool: BackendPool, timeout: number): Promise<void> {
    if (!this.#members.has(member)) return;
    // The last tunnel object stays a member until all programs have ended, since that tunnel object logs the end of each program.
    if (this.#members.size === 1) await this.spawner.close(timeout);
    else await this.spawner.remove(member.lists.flat(), timeout);
    this.#members.delete(member);
    pool.close();
  }

  /** Logs through the newest tunnel object only, so that each line is logged once. */
  #log(level: Parameters<Log>[1], format: string, ...values: unknown[]): void {
    [...this.#members].at(-1)?.log('backend', level, format, ...values);
  }
}

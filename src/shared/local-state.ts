import { HostStates } from '../backends/host-states.js';
import { BackendPool } from '../backends/pool.js';
import { Spawner } from '../backends/spawn/spawner.js';
import { messageOf } from '../errors.js';
import { LocalCounter, type Counter } from '../guard/counter.js';
import type { Log } from '../observe/log.js';
import { Totals } from '../observe/totals.js';
import type { SharedState } from '../types.js';
import type { Backplane } from '../replicas/backplane.js';
import type { ReplicaSettings } from '../replicas/replica-settings.js';
import { Members, type Member } from './members.js';
import { Network } from './network.js';

interface StateSettings {
  readonly isKept: boolean;
  /** The connection to other processes that share the state. */
  readonly shared?: { readonly backplane: Backplane; readonly settings: ReplicaSettings };
}

/** The access of a tunnel object to the state. */
interface Membership {
  readonly pool: BackendPool;
  /** Counters of all tunnel objects with the same name, past and present. */
  readonly totals: Totals;
  /**
   * Ends the membership. Programs that are not named or used by other tunnel objects end within `timeout` seconds. When the last
   * tunnel object leaves, all programs end; under `isKept`, only when the state is closed.
   */
  leave(timeout: number): Promise<void>;
}

/**
 * State that outlives one tunnel object, in the memory of this process: the counts of `limits`, the states of hosts, the spawned
 * programs, and the counters of `stats()`. Several tunnel objects may share one state, such as the objects before and after a
 * reload.
 */
export class LocalState implements SharedState {
  readonly counter: Counter;
  /** Counts of `limits.opening`. */
  readonly openingCounter = new LocalCounter();
  readonly spawner: Spawner;
  readonly members = new Members();
  /** The other processes that share the state, if any. */
  readonly network: Network | undefined;
  readonly #hosts: HostStates;
  readonly #totals = new Map<string | undefined, Totals>();
  readonly #isKept: boolean;
  #closing: Promise<void> | undefined;

  /** `isKept`: the state stays usable without tunnel objects, until `close`. */
  constructor({ isKept, shared }: StateSettings = { isKept: false }) {
    this.#isKept = isKept;
    this.network =
      shared &&
      new Network(shared.backplane, shared.settings, {
        members: this.members,
        hosts: () => this.#hosts,
        changed: (up, reason) => this.#sharedChanged(up, reason),
        log: (level, text) => this.#log(level, '%s', text),
      });
    this.counter = this.network?.counter ?? new LocalCounter();
    this.#hosts = new HostStates(this.network?.hosts);
    this.spawner = new Spawner(
      (format, ...values) => this.#log('debug', format, ...values),
      (host, why) => {
        this.#log('warn', '%s failed: %s', host.id, why);
        this.#hosts.programFailed(host, why);
      },
    );
  }

  /** False after `close`, and while the store that other processes share is not reached. */
  get up(): boolean {
    return !this.isClosed && this.network?.isUp !== false;
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Ends all programs, and refuses further tunnel objects. Open tunnels end with their programs. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  join(member: Member): Membership {
    const { name, log, lists } = member;
    const pool = new BackendPool(
      (info) => member.announce(info),
      (error) => log('backend', 'error', 'balance strategy failed: %s', messageOf(error)),
      this.#hosts,
    );
    this.members.add(member);
    for (const hosts of lists) {
      pool.add(hosts);
      this.spawner.add(hosts);
    }
    return {
      pool,
      totals: this.#totalsOf(name),
      leave: (timeout) => this.#leave(member, pool, timeout),
    };
  }

  async #close(): Promise<void> {
    await Promise.all([this.spawner.close(), this.network?.close()]);
  }

  #sharedChanged(up: boolean, reason: string): void {
    this.#log(up ? 'info' : 'error', 'shared state: %s', reason);
    for (const member of this.members.all()) member.sharedChanged({ up, reason });
  }

  #totalsOf(name: string | undefined): Totals {
    const totals = this.#totals.get(name) ?? new Totals();
    this.#totals.set(name, totals);
    return totals;
  }

  async #leave(member: Member, pool: BackendPool, timeout: number): Promise<void> {
    if (!this.members.has(member)) return;
    // The last tunnel object stays a member until all programs have ended, since that tunnel object logs the end of each program.
    if (this.members.size === 1 && !this.#isKept) await this.spawner.close(timeout);
    else await this.spawner.remove(member.lists.flat(), timeout);
    this.members.delete(member);
    pool.close();
  }

  /** Logs through the newest tunnel object only, so that each line is logged once. */
  #log(level: Parameters<Log>[1], format: string, ...values: unknown[]): void {
    this.members.newest?.log('backend', level, format, ...values);
  }
}

/** A state in memory, for the option `shared` of several tunnel objects: after a reload of the options, limits and hosts go on. */
export function memoryShared(): SharedState {
  return new LocalState({ isKept: true });
}

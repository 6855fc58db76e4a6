import type { AdminBackend, AdminProgram } from '../admin/admin-state.js';
import { shortened } from '../admin/shortened.js';
import { StateView } from '../admin/state-view.js';
import { HostStates } from '../backends/host-states.js';
import { BackendPool } from '../backends/pool.js';
import { KILL_AFTER } from '../backends/spawn/spawned-process.js';
import { Spawner } from '../backends/spawn/spawner.js';
import { messageOf } from '../errors.js';
import { LocalCounter, type Counter } from '../guard/counter.js';
import type { Log } from '../observe/log.js';
import { Totals } from '../observe/totals.js';
import type { SharedState } from '../types.js';
import type { Backplane } from '../replicas/backplane.js';
import type { ReplicaSettings } from '../replicas/replica-settings.js';
import { LoginPauses } from '../vnc/login-pauses.js';
import { Members, type Member } from './members.js';
import { Network } from './network.js';
import { Tickets } from './tickets.js';

interface StateSettings {
  readonly isKept: boolean;
  /** The connection to other processes that share the state. */
  readonly shared?: { readonly backplane: Backplane; readonly settings: ReplicaSettings };
}

/** The access of a tunnel object to the state. */
export interface Membership {
  readonly pool: BackendPool;
  /** Counters of all tunnel objects with the same name, past and present. */
  readonly totals: Totals;
  /**
   * The tunnel object gets no further requests. Programs that are not named by other tunnel objects end once no tunnel uses them,
   * whatever other tunnels are still open.
   */
  retire(): void;
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
  readonly tickets: Tickets;
  /** The pauses after passwords that VNC servers have rejected, in this process. */
  readonly loginPauses = new LoginPauses();
  /** What the admin page shows of this state. */
  readonly view: StateView;
  readonly #hosts: HostStates;
  readonly #totals = new Map<string | undefined, Totals>();
  readonly #isKept: boolean;
  /** Tunnel objects that have not begun to leave. */
  #staying = 0;
  #closing: Promise<void> | undefined;

  /** `isKept`: the state stays usable without tunnel objects, until `close`. */
  constructor({ isKept, shared }: StateSettings = { isKept: false }) {
    this.#isKept = isKept;
    this.network =
      shared &&
      new Network(shared.backplane, shared.settings, {
        members: this.members,
        hosts: () => this.#hosts,
        view: (question) => this.view.answer(question),
        changed: (up, reason) => this.#sharedChanged(up, reason),
        log: (level, text) => this.#log(level, '%s', text),
      });
    this.counter = this.network?.counter ?? new LocalCounter();
    this.tickets = new Tickets(this.network?.tickets);
    this.view = new StateView({
      members: () => this.members.all(),
      totals: () => this.#totals.values(),
      backends: () => this.#backends(),
      programs: () => this.#programs(),
      peers: this.network?.peers,
    });
    this.#hosts = new HostStates(this.network?.hosts);
    this.spawner = new Spawner(
      (format, ...values) => this.#log('debug', format, ...values),
      (host, why) => {
        this.#log('warn', '%s failed: %s', host.id, why);
        this.#countFailure(host.id);
        this.#hosts.programFailed(host, why);
      },
    );
  }

  /** False after `close`, and while the store of a state that several processes share does not answer. */
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

  /** The counters of tunnel objects, past and present, by the option `name`. */
  get totals(): ReadonlyMap<string | undefined, Totals> {
    return this.#totals;
  }

  /** See {@link HostStates.hasOutage}. */
  hasOutage(host: string): boolean {
    return this.#hosts.hasOutage(host);
  }

  join(member: Member): Membership {
    const { name, log, lists } = member;
    const pool = new BackendPool(
      (info) => member.announce(info),
      (error) => log('backend', 'error', 'balance strategy failed: %s', messageOf(error)),
      this.#hosts,
    );
    this.members.add(member);
    this.#staying++;
    for (const hosts of lists) {
      pool.add(hosts);
      this.spawner.add(hosts);
    }
    let unlisting: Promise<void> | undefined;
    const unlist = (timeout: number) => (unlisting ??= this.spawner.remove(lists.flat(), timeout));
    return {
      pool,
      totals: this.#totalsOf(name),
      retire: () => void unlist(KILL_AFTER),
      leave: (timeout) => this.#leave(member, pool, () => unlist(timeout), timeout),
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

  *#backends(): Generator<AdminBackend> {
    const listed = new Map(
      this.members.all().flatMap(({ lists }) => lists.flat().map((one) => [one.id, one])),
    );
    for (const {
      id,
      isDown,
      downReason,
      load,
      failures,
      sharedId,
      host = listed.get(id),
    } of this.#hosts.all()) {
      const others = sharedId === undefined ? 0 : (this.network?.hosts.loadOf(sharedId) ?? 0);
      const maxTunnels = host?.maxTunnels ?? 0;
      yield {
        // As in the metrics: a host that is tried again after `disableTime` may still be down.
        ...{ id: shortened(id), up: !isDown, ...(isDown && { reason: shortened(downReason) }) },
        tunnels: load + others,
        ...(maxTunnels > 0 && { maxTunnels }),
        failures,
      };
    }
  }

  *#programs(): Generator<AdminProgram> {
    for (const [backend, { state, pid, load }] of this.spawner.processes())
      yield { backend: shortened(backend), state, ...(pid !== undefined && { pid }), tunnels: load };
  }

  async #leave(
    member: Member,
    pool: BackendPool,
    unlist: () => Promise<void>,
    timeout: number,
  ): Promise<void> {
    // Several tunnel objects may be leaving at once: the last one to begin ends the programs, also those that no options name. A
    // member until all programs have ended, a leaving tunnel object logs the end of each program.
    if (--this.#staying === 0 && !this.#isKept) await this.spawner.close(timeout);
    else await unlist();
    this.members.delete(member);
    pool.close();
  }

  /** Counts a failure of a program without a tunnel, for each name whose tunnel objects list the program. */
  #countFailure(id: string): void {
    for (const [name, { counts }] of this.#totals) {
      const hosts = this.members.named(name).flatMap(({ lists }) => lists.flat());
      if (hosts.some((host) => host.id === id)) counts.backendFailures.add(id);
    }
  }

  /** Logs through the newest tunnel object only, so that each line is logged once. */
  #log(level: Parameters<Log>[1], format: string, ...values: unknown[]): void {
    this.members.newest?.log('backend', level, format, ...values);
  }
}

/**
 * A state in memory, for the option `shared` of several tunnel objects: counts and the states of hosts survive a reload of the
 * options.
 */
export function memoryShared(): SharedState {
  return new LocalState({ isKept: true });
}

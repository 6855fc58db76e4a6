import type { BackendInfo } from '../types.js';
import type { Failure } from './failure.js';
import type { ResolvedHost } from './host.js';

/** Seconds between two attempts at a host that is down, while no other host is up. */
const TRY_AGAIN_AFTER = 0.5;

/** Connections in a row that a host may reset before the host counts as down. */
const MAX_RESETS = 3;

/** The effect of a failed connection on the host: the host stays up, goes down, or was down already. */
export type Outage = 'none' | 'new' | 'known';

/** The state of an address. All requests share the state, whatever their settings for the host. */
export class AddressState {
  readonly id: string;
  /** Tunnels of this process. */
  load = 0;
  downUntil = 0;
  /** When no host is up: the earliest time of the next attempt. Only one request at a time makes an attempt. */
  tryAt = 0;
  isOnTrial = false;
  /** Set by a failure that took the host down, cleared by the next accepted connection. */
  isDown = false;
  /** Connections that the host has accepted. */
  accepted = 0;
  /** Connections that the host has reset since the last accepted connection. */
  resets = 0;
  /** Failed connections, except those that failed for lack of a resource of this machine. */
  failures = 0;
  /** The reason of the latest outage. */
  downReason = '';
  /** Pools that know the address. */
  users = 0;
  /** The name of the host among processes that share the states; undefined if no other process knows the host. */
  sharedId: string | undefined;
  /** The settings of the latest tunnel. */
  host: ResolvedHost | undefined;

  constructor(id: string) {
    this.id = id;
  }

  get up(): boolean {
    // For most hosts of a long list the first comparison avoids reading the clock.
    return this.downUntil === 0 || performance.now() >= this.downUntil;
  }
}

/** What other processes with the same state have said about hosts. `id`: see `shared-id.ts`. */
export interface OtherProcesses {
  /** Tunnels of other processes at this host, a few seconds old. */
  loadOf(id: string): number;
  /** Did another process fail to reach this host just now? */
  isDown(id: string): boolean;
}

/** Receives the start and the end of each outage of a known host. */
export interface OutageListener {
  knows(id: string): boolean;
  announce(info: BackendInfo): void;
}

/** The states of hosts by address, for one tunnel object or for several that share the states. */
export class HostStates {
  readonly #states = new Map<string, AddressState>();
  readonly #listeners = new Set<OutageListener>();
  /** Undefined if no other process shares the states. */
  readonly others: OtherProcesses | undefined;

  constructor(others?: OtherProcesses) {
    this.others = others;
  }

  add(listener: OutageListener): void {
    this.#listeners.add(listener);
  }

  remove(listener: OutageListener): void {
    this.#listeners.delete(listener);
  }

  /** Keeps a state in memory until `release`. */
  acquire(id: string, sharedId?: string): AddressState {
    const state = this.#states.get(id) ?? new AddressState(id);
    state.sharedId ??= sharedId;
    this.#states.set(id, state);
    state.users++;
    return state;
  }

  release(state: AddressState): void {
    state.users--;
    this.#forgetUnused(state);
  }

  /** Counts another tunnel. The state may have been forgotten since the request acquired it. */
  load(state: AddressState, host: ResolvedHost): void {
    this.#states.set(state.id, state);
    state.host = host;
    state.load++;
  }

  unload(state: AddressState): void {
    state.load--;
    this.#forgetUnused(state);
  }

  /** All states: those in use, and those that a tunnel object knows. */
  all(): Iterable<AddressState> {
    return this.#states.values();
  }

  /** Is the host up? True for an unknown host. */
  isUp(id: string): boolean {
    return this.#states.get(id)?.up ?? true;
  }

  /** The states of hosts with tunnels. */
  busy(): AddressState[] {
    return [...this.#states.values()].filter(({ load }) => load > 0);
  }

  /** The host accepted a connection. */
  connected(state: AddressState): void {
    const { isDown, id } = state;
    state.isDown = false;
    state.downUntil = 0;
    state.accepted++;
    state.resets = 0;
    if (isDown) this.#announce({ id, up: true });
  }

  /**
   * A connection failed: the host goes down, with exceptions. The host stays up if this machine lacked a resource, if the host only
   * reset a few connections, or if the host has accepted another connection since this attempt began: one failure among many
   * connections is no outage. `acceptedBefore` is the count of accepted connections at the start of the attempt.
   */
  failed(
    state: AddressState,
    { disableTime }: ResolvedHost,
    reason: string,
    failure: Failure = 'down',
    acceptedBefore = state.accepted,
  ): Outage {
    const { isDown, id } = state;
    if (failure !== 'ours') state.failures++;
    if (failure === 'ours' || state.accepted !== acceptedBefore) return 'none';
    if (failure === 'passing' && !isDown && ++state.resets < MAX_RESETS) return 'none';
    const now = performance.now();
    state.isDown = true;
    state.downReason = reason;
    state.downUntil = now + disableTime * 1000;
    state.tryAt = now + Math.min(disableTime, TRY_AGAIN_AFTER) * 1000;
    if (!isDown) this.#announce({ id, up: false, reason });
    return isDown ? 'known' : 'new';
  }

  /** A program failed while no tunnel was waiting for the program. */
  programFailed(host: ResolvedHost, reason: string): void {
    const state = this.#states.get(host.id);
    if (state) this.failed(state, host, reason);
  }

  #announce(info: BackendInfo): void {
    for (const listener of [...this.#listeners]) if (listener.knows(info.id)) listener.announce(info);
  }

  #forgetUnused(state: AddressState): void {
    if (state.users === 0 && state.load === 0 && this.#states.get(state.id) === state)
      this.#states.delete(state.id);
  }
}

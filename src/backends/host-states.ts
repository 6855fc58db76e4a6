import type { BackendInfo } from '../types.js';
import type { Failure } from './failure.js';
import type { ResolvedHost } from './host.js';

/** Seconds until a host that is down is tried again where no other is up. */
const TRY_AGAIN_AFTER = 0.5;

/** Connections in a row that a host may reset before it counts as down. */
const MOST_RESETS = 3;

/** What a failed connection makes of its host: it stays up, or it is down, since now or since before. */
export type Outage = 'none' | 'new' | 'known';

/** What is known of an address: shared by all requests, whatever their settings for it. */
export class AddressState {
  readonly id: string;
  load = 0;
  downUntil = 0;
  /** While nothing else is up: not before this, and one at a time. */
  tryAt = 0;
  isOnTrial = false;
  failed = false;
  /** Connections that it has taken, and those that it has reset since the last of them. */
  accepted = 0;
  resets = 0;
  /** Pools that know it. */
  users = 0;
  /** The settings that it was last used with. */
  host: ResolvedHost | undefined;

  constructor(id: string) {
    this.id = id;
  }

  get up(): boolean {
    // The clock is not for free, and a list may be long.
    return this.downUntil === 0 || performance.now() >= this.downUntil;
  }
}

/** Hears of the hosts that it knows. */
export interface OutageListener {
  knows(id: string): boolean;
  announce(info: BackendInfo): void;
}

/** The states of hosts by their address, for one tunnel or for several that share them. */
export class HostStates {
  readonly #states = new Map<string, AddressState>();
  readonly #listeners = new Set<OutageListener>();

  /** Until `remove`. */
  add(listener: OutageListener): void {
    this.#listeners.add(listener);
  }

  remove(listener: OutageListener): void {
    this.#listeners.delete(listener);
  }

  /** Holds a state until `release`. */
  acquire(id: string): AddressState {
    const state = this.#states.get(id) ?? new AddressState(id);
    this.#states.set(id, state);
    state.users++;
    return state;
  }

  release(state: AddressState): void {
    state.users--;
    this.#forget(state);
  }

  /** One tunnel more; it may be a state that was forgotten meanwhile. */
  load(state: AddressState, host: ResolvedHost): void {
    this.#states.set(state.id, state);
    state.host = host;
    state.load++;
  }

  unload(state: AddressState): void {
    state.load--;
    this.#forget(state);
  }

  /** Those with tunnels. */
  busy(): AddressState[] {
    return [...this.#states.values()].filter(({ load }) => load > 0);
  }

  connected(state: AddressState): void {
    const { failed, id } = state;
    state.failed = false;
    state.downUntil = 0;
    state.accepted++;
    state.resets = 0;
    if (failed) this.#announce({ id, up: true });
  }

  /**
   * A connection failed. Takes the host down, unless it has taken another connection since this one began, at which `taken`
   * was so much, or has reset only a few: one failure of many is no outage.
   */
  failed(
    state: AddressState,
    { disableTime }: ResolvedHost,
    reason: string,
    failure: Failure = 'down',
    taken = state.accepted,
  ): Outage {
    const { failed, id } = state;
    if (failure === 'ours' || state.accepted !== taken) return 'none';
    if (failure === 'passing' && !failed && ++state.resets < MOST_RESETS) return 'none';
    const now = performance.now();
    state.failed = true;
    state.downUntil = now + disableTime * 1000;
    state.tryAt = now + Math.min(disableTime, TRY_AGAIN_AFTER) * 1000;
    if (!failed) this.#announce({ id, up: false, reason });
    return failed ? 'known' : 'new';
  }

  /** A program failed while no tunnel waited for it. */
  programFailed(host: ResolvedHost, reason: string): void {
    const state = this.#states.get(host.id);
    if (state) this.failed(state, host, reason);
  }

  #announce(info: BackendInfo): void {
    for (const listener of [...this.#listeners]) if (listener.knows(info.id)) listener.announce(info);
  }

  #forget(state: AddressState): void {
    if (state.users === 0 && state.load === 0 && this.#states.get(state.id) === state)
      this.#states.delete(state.id);
  }
}

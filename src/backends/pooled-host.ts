import type { HostState } from '../types.js';
import type { AddressState, OtherProcesses } from './host-states.js';
import type { ResolvedHost } from './host.js';
import { sharedIdOf } from './shared-id.js';

/** A host in the view of one request: the shared state of the address, with the settings of this request. */
export class PooledHost implements HostState {
  readonly host: ResolvedHost;
  readonly state: AddressState;

  /** The name of the host among processes that share a state; undefined if no other process knows the host. */
  readonly sharedId: string | undefined;
  readonly #others: OtherProcesses | undefined;

  constructor(host: ResolvedHost, state: AddressState, others?: OtherProcesses) {
    this.host = host;
    this.state = state;
    this.#others = others;
    this.sharedId = others && sharedIdOf(host);
  }

  get id(): string {
    return this.state.id;
  }

  /** Tunnels at the host, of all processes that share the state. */
  get load(): number {
    const { sharedId, state } = this;
    return sharedId === undefined ? state.load : state.load + (this.#others?.loadOf(sharedId) ?? 0);
  }

  /** Did another process fail to reach this host just now? Then other hosts are preferred. */
  get isSuspect(): boolean {
    return this.sharedId !== undefined && this.#others?.isDown(this.sharedId) === true;
  }

  get up(): boolean {
    return this.state.up;
  }

  /** Connections that the host has accepted so far. */
  get taken(): number {
    return this.state.accepted;
  }

  /** May this request try the host although the host is down? One request at a time may; all other requests are refused at once. */
  get isDue(): boolean {
    return !this.state.isOnTrial && performance.now() >= this.state.tryAt;
  }

  /** Has this process alone filled the host up to `maxTunnels`? The counts of other processes may be old: the shared count decides. */
  get full(): boolean {
    const { maxTunnels } = this.host;
    return maxTunnels > 0 && this.state.load >= maxTunnels;
  }
}

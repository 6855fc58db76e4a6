import type { HostState } from '../types.js';
import type { AddressState } from './host-states.js';
import type { ResolvedHost } from './host.js';

/** A host in the view of one request: the shared state of the address, with the settings of this request. */
export class PooledHost implements HostState {
  readonly host: ResolvedHost;
  readonly state: AddressState;

  constructor(host: ResolvedHost, state: AddressState) {
    this.host = host;
    this.state = state;
  }

  get id(): string {
    return this.state.id;
  }

  get load(): number {
    return this.state.load;
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

  /** Is the host at its limit `maxTunnels`? */
  get full(): boolean {
    const { maxTunnels } = this.host;
    return maxTunnels > 0 && this.load >= maxTunnels;
  }
}

import { DYNAMIC } from './labels.js';

/** Sums over open tunnels, without an object for each tunnel. */
export class OpenSums {
  tunnels = 0;
  received = 0;
  sent = 0;
  queuedToBackend = 0;
  queuedToClient = 0;
  /** Tunnels by host. */
  readonly byHost: Map<string, number>;

  /** `listed`: the hosts in options, by id. */
  constructor(listed: Iterable<string>) {
    this.byHost = new Map(Array.from(listed, (id) => [id, 0]));
  }

  add(host: string, received: number, sent: number, queuedToBackend: number, queuedToClient: number): void {
    this.tunnels++;
    this.received += received;
    this.sent += sent;
    this.queuedToBackend += queuedToBackend;
    this.queuedToClient += queuedToClient;
    const label = this.byHost.has(host) ? host : DYNAMIC;
    this.byHost.set(label, (this.byHost.get(label) ?? 0) + 1);
  }
}

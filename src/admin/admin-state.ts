/** A tunnel in the answer to `GET /state`. Sizes in bytes, rates in bytes per second, times in milliseconds since 1970. */
export interface AdminTunnel {
  readonly id: string;
  /** The option `name` of the tunnel object. */
  readonly name: string | null;
  readonly user?: string | undefined;
  readonly address: string;
  readonly url: string;
  readonly backend: string;
  readonly since: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Rates. */
  readonly received: number;
  readonly sent: number;
  /** Seconds from the last measured PING to its PONG. */
  readonly roundTrip?: number | undefined;
  readonly queued: number;
  /** True, or missing: the client watches only. */
  readonly viewOnly?: true | undefined;
  /** The name of the process, if several processes share the state. */
  readonly replica?: string | undefined;
}

export interface AdminRefusal {
  readonly time: number;
  readonly address: string;
  readonly user?: string;
  readonly url: string;
  readonly status: number;
  readonly code: string;
  readonly reason: string;
}

export interface AdminBackend {
  readonly id: string;
  readonly up: boolean;
  /** The reason of the outage. */
  readonly reason?: string;
  readonly tunnels: number;
  readonly maxTunnels?: number;
  /** Failed connections. */
  readonly failures: number;
}

export interface AdminProgram {
  readonly backend: string;
  readonly state: 'starting' | 'running' | 'ending';
  readonly pid?: number;
  readonly tunnels: number;
}

/** Sums since the start. `received` and `sent`: rates of all open tunnels. */
export interface AdminTotals {
  open: number;
  opened: number;
  readonly refused: Record<string, number>;
  readonly closed: Record<string, number>;
  bytesIn: number;
  bytesOut: number;
  received: number;
  sent: number;
}

export interface AdminReplica {
  readonly name: string;
  /** The process did not answer in time, or runs a version without the admin page. */
  readonly silent: boolean;
  readonly tunnels: number;
}

export function noTotals(): AdminTotals {
  return { open: 0, opened: 0, refused: {}, closed: {}, bytesIn: 0, bytesOut: 0, received: 0, sent: 0 };
}

/** Adds totals to the first ones. */
export function addTotals(to: AdminTotals, more: AdminTotals): void {
  to.open += more.open;
  to.opened += more.opened;
  to.bytesIn += more.bytesIn;
  to.bytesOut += more.bytesOut;
  to.received += more.received;
  to.sent += more.sent;
  addCounts(to.refused, more.refused);
  addCounts(to.closed, more.closed);
}

export function addCounts(to: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(more)) to[key] = (to[key] ?? 0) + count;
}

import type { TunnelInfo } from '../types.js';
import type { AdminTunnel } from './admin-state.js';
import { shortened } from './shortened.js';

/** An open tunnel that can be sampled. */
export interface SampledTunnel {
  info(): TunnelInfo;
  /** Writes the current numbers into the row. */
  sample(row: TunnelRow): void;
}

/** One tunnel of this process in the list, kept from sample to sample. */
export class TunnelRow {
  readonly id: string;
  readonly name: string | null;
  readonly user: string | undefined;
  readonly address: string;
  readonly url: string;
  readonly backend: string;
  readonly since: number;
  readonly viewOnly: boolean;
  /** The name of this process, if several processes share the state. */
  readonly replica: string | undefined;
  bytesIn = 0;
  bytesOut = 0;
  queued = 0;
  roundTrip: number | undefined;
  /** Rates in bytes per second. */
  received = 0;
  sent = 0;
  /** The byte counts at the last measurement of the rates. */
  #bytesInBefore = 0;
  #bytesOutBefore = 0;
  /** The number of the latest sample with this tunnel. */
  sampled = 0;
  #text: string | undefined;

  constructor(info: TunnelInfo, name: string | undefined, replica: string | undefined) {
    const { id, user, address, url, backend, since, bytesIn, bytesOut, viewOnly } = info;
    this.id = id;
    this.name = name ?? null;
    this.user = user === undefined ? undefined : shortened(user);
    this.address = address;
    this.url = shortened(url);
    this.backend = shortened(backend);
    this.since = since;
    this.viewOnly = viewOnly;
    this.replica = replica;
    this.#bytesInBefore = bytesIn;
    this.#bytesOutBefore = bytesOut;
  }

  /** Measures the rates since the last call, `seconds` ago. */
  measure(seconds: number): void {
    // The counts fall at the end of a tunnel, by the bytes that the other side did not accept.
    this.received = Math.max(0, Math.round((this.bytesIn - this.#bytesInBefore) / seconds));
    this.sent = Math.max(0, Math.round((this.bytesOut - this.#bytesOutBefore) / seconds));
    this.#bytesInBefore = this.bytesIn;
    this.#bytesOutBefore = this.bytesOut;
  }

  /** For a tunnel that was opened since the last sample: the first rate counts all of its bytes. */
  countFromStart(): void {
    this.#bytesInBefore = this.#bytesOutBefore = 0;
  }

  /** Does a field contain the text, which is in lower case? */
  has(text: string): boolean {
    this.#text ??= textOf(this).toLowerCase();
    return this.#text.includes(text);
  }

  data(): AdminTunnel {
    const { id, name, user, address, url, backend, since, bytesIn, bytesOut, received, sent } = this;
    const { roundTrip, queued, replica, viewOnly } = this;
    // No spread, for speed. JSON leaves out undefined values.
    return {
      id,
      name,
      user,
      address,
      url,
      backend,
      since,
      bytesIn,
      bytesOut,
      received,
      sent,
      roundTrip: roundTrip === undefined ? undefined : Math.round(roundTrip * 10_000) / 10_000,
      queued,
      viewOnly: viewOnly ? true : undefined,
      replica,
    };
  }
}

/** The fields that are searched, each on a line. */
function textOf({ user, address, backend, url, name, id, replica }: TunnelRow): string {
  return [user, address, backend, url, name, id, replica].join('\n');
}

import type { TunnelErrorCode } from '../../errors.js';
import type { CloseCause } from '../../types.js';
import { Histogram } from './histogram.js';
import { LabelCounts } from './label-counts.js';
import { closeCodeLabel, type HandshakeOutcome } from './labels.js';

const OPENING_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const CONNECT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Users begin to notice the delay of a desktop between 50 and 100 ms. */
const ROUND_TRIP_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10,
];
/** Up to a week. */
const TUNNEL_SECONDS = [1, 10, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 604_800];

/** The result of a login check (`revalidate`). */
export type CheckResult = 'ok' | 'ended' | 'unclear';

/** The setting `whenFails` of a recorder. */
export type WhenFails = 'close' | 'continue';

/** The counts behind `metrics()` for all tunnel objects with the same name, past and present. No count falls. */
export class TunnelCounts {
  /** By {@link closedKey}. */
  readonly closed = new LabelCounts();
  readonly refused = new LabelCounts();
  readonly backendFailures = new LabelCounts();
  readonly checks: Record<CheckResult, number> = { ok: 0, ended: 0, unclear: 0 };
  readonly failedRecordings: Record<WhenFails, number> = { close: 0, continue: 0 };
  readonly tunnelSeconds = new Histogram(TUNNEL_SECONDS);
  readonly connectSeconds = new Histogram(CONNECT_SECONDS);
  readonly roundTripSeconds = new Histogram(ROUND_TRIP_SECONDS);
  readonly openingSeconds: Readonly<Record<HandshakeOutcome, Histogram>> = {
    opened: new Histogram(OPENING_SECONDS),
    refused: new Histogram(OPENING_SECONDS),
    failed: new Histogram(OPENING_SECONDS),
    gone: new Histogram(OPENING_SECONDS),
  };
  #received = 0;
  #sent = 0;
  /** One function for all tunnels. */
  readonly noteRoundTrip = (seconds: number): void => this.roundTripSeconds.observe(seconds);

  noteClosed(cause: CloseCause, code: number, seconds: number): void {
    this.closed.add(closedKey(cause, closeCodeLabel(code)));
    this.tunnelSeconds.observe(seconds);
  }

  noteRefused(code: TunnelErrorCode): void {
    this.refused.add(code);
  }

  /** `arrived`: by `performance.now()`. */
  noteOpening(outcome: HandshakeOutcome, arrived: number): void {
    this.openingSeconds[outcome].observe((performance.now() - arrived) / 1000);
  }

  /**
   * The byte counters, which must not fall. At the end of a tunnel, the sums lose the bytes that the other side did not accept: the
   * counters then keep their values until the sums exceed these values again.
   */
  rising(received: number, sent: number): { readonly received: number; readonly sent: number } {
    this.#received = Math.max(this.#received, received);
    this.#sent = Math.max(this.#sent, sent);
    return { received: this.#received, sent: this.#sent };
  }
}

function closedKey(cause: CloseCause, code: string): string {
  return `${cause} ${code}`;
}

/** The labels of a key of `closed`. */
export function closedLabels(key: string): Record<string, string> {
  const [cause = '', code = cause] = key.split(' ');
  return { cause, code };
}

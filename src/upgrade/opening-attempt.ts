import { TunnelError } from '../errors.js';
import { Cancellation } from '../helpers/abort.js';
import type { PendingUpgrade } from './pending-upgrade.js';

/** The time from a request's arrival at the tunnel to the 101 response: one signal for all waits in this time. */
export class OpeningAttempt extends Cancellation {
  readonly #pending: PendingUpgrade | undefined;
  readonly #timer: NodeJS.Timeout;

  /** `seconds`: the tunnel's `handshakeTimeout`. */
  constructor(pending: PendingUpgrade | undefined, seconds: number) {
    super();
    this.#pending = pending;
    this.#timer = setTimeout(onTimeout, seconds * 1000, this);
    pending?.reached(seconds);
    pending?.signal.addEventListener('abort', this.#onGone);
    if (pending?.signal.aborted) this.#onGone();
  }

  /** The reason is always a refusal: a timeout, a client that left, or the argument. */
  override abort(refusal: TunnelError): void {
    super.abort(refusal);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#pending?.signal.removeEventListener('abort', this.#onGone);
  }

  readonly #onGone = (): void => this.abort(clientGone());
}

function onTimeout(attempt: OpeningAttempt): void {
  attempt.abort(new TunnelError('WSTUNNEL_HANDSHAKE_TIMEOUT', 'the tunnel could not be opened in time'));
}

export function clientGone(): TunnelError {
  return new TunnelError('WSTUNNEL_CLIENT_GONE', 'the client left before the tunnel opened');
}

export function serverDraining(): TunnelError {
  return new TunnelError('WSTUNNEL_DRAINING', 'the server is closing');
}

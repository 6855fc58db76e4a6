import { TunnelError } from '../errors.js';
import type { PendingUpgrade } from './pending-upgrade.js';

/** The time from a request's arrival at the tunnel to the 101 response: one signal for all waits in this time. */
export class OpeningAttempt {
  readonly #controller = new AbortController();
  readonly #pending: PendingUpgrade | undefined;
  readonly #timer: NodeJS.Timeout;

  /** `seconds`: the tunnel's `handshakeTimeout`. */
  constructor(pending: PendingUpgrade | undefined, seconds: number) {
    this.#pending = pending;
    this.#timer = setTimeout(
      () =>
        this.abort(new TunnelError('WSTUNNEL_HANDSHAKE_TIMEOUT', 'the tunnel could not be opened in time')),
      seconds * 1000,
    );
    pending?.reached(seconds);
    pending?.signal.addEventListener('abort', this.#onGone);
    if (pending?.signal.aborted) this.#onGone();
  }

  /** Aborts with a refusal as the reason: a timeout, a client that left, or the argument of {@link abort}. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(refusal: TunnelError): void {
    this.#controller.abort(refusal);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#pending?.signal.removeEventListener('abort', this.#onGone);
  }

  readonly #onGone = (): void => this.abort(clientGone());
}

export function clientGone(): TunnelError {
  return new TunnelError('WSTUNNEL_CLIENT_GONE', 'the client left before the tunnel opened');
}

export function serverDraining(): TunnelError {
  return new TunnelError('WSTUNNEL_DRAINING', 'the server is closing', { headers: { 'Retry-After': '1' } });
}

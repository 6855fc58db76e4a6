import { messageOf } from '../errors.js';

/** Milliseconds for which a reason counts: while the connection is lost, clients report an error at least every few seconds. */
const FRESH = 10_000;

/** The events of a client that are used. */
interface ClientEvents {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** Knows why a client's connection is lost. Without a listener to `error`, a client would end the process when Redis goes down. */
export class ConnectionFailure {
  /** Called with each error of the client. */
  onFailure: () => void = () => undefined;
  readonly #client: ClientEvents;
  #reason: string | undefined;
  #at = 0;

  constructor(client: ClientEvents) {
    this.#client = client;
    client.on('error', this.#failed);
    client.on('ready', this.#ready);
  }

  get reason(): string | undefined {
    return performance.now() - this.#at < FRESH ? this.#reason : undefined;
  }

  free(): void {
    this.#client.off('error', this.#failed);
    this.#client.off('ready', this.#ready);
    this.onFailure = () => undefined;
  }

  readonly #failed = (error: unknown): void => {
    this.#reason = reasonOf(error);
    this.#at = performance.now();
    this.onFailure();
  };

  readonly #ready = (): void => {
    this.#reason = undefined;
  };
}

/** The message of an error. A failed connection to a name with several addresses has only the messages of the single tries. */
function reasonOf(error: unknown): string | undefined {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  const message = messageOf(error) || (first === undefined ? '' : messageOf(first));
  return message === '' ? undefined : message;
}

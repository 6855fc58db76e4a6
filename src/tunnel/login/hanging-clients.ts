import type { OpenLogin } from './open-login.js';

/** Limit of the checks under way at once of clients whose last check had no answer. */
const MOST_AT_ONCE = 8;

/** Limit of remembered clients. */
const MOST_CLIENTS = 1000;

/**
 * Clients whose last check had no answer, such as a user whose entry in a store is locked. Their checks get a part of the slots:
 * otherwise one user with many tunnels could delay the checks of all others, whose tunnels would outlive a logout.
 */
export class HangingClients {
  readonly #clients = new Set<string>();
  readonly #running = new Set<OpenLogin>();

  /** May a check of this login begin now? */
  admits({ tunnel }: OpenLogin): boolean {
    return this.#running.size < MOST_AT_ONCE || !this.#clients.has(tunnel.client);
  }

  begun(login: OpenLogin): void {
    if (this.#clients.has(login.tunnel.client)) this.#running.add(login);
  }

  released(login: OpenLogin): void {
    this.#running.delete(login);
  }

  /** A check of this login has settled. */
  settled({ tunnel: { client } }: OpenLogin, isAnswered: boolean): void {
    this.#clients.delete(client);
    if (isAnswered) return;
    this.#clients.add(client);
    const [oldest] = this.#clients;
    if (this.#clients.size > MOST_CLIENTS && oldest !== undefined) this.#clients.delete(oldest);
  }
}

import { timingSafeEqual } from 'node:crypto';

/** Clients that are remembered; the one that logged in longest ago goes first. */
const MAX_CLIENTS = 1000;
/** Other passwords for the name from the same client, after which the right one is checked by bcrypt again. */
const MAX_MISSES = 10;

interface Proof {
  readonly digest: Buffer;
  misses: number;
}

/**
 * Logins that bcrypt has found right, so that a page of fifty files asks it once. Each counts for the client that it came
 * from: elsewhere a guess must not be tried against it past the queue.
 */
export class ProvenLogins {
  readonly #clients = new Map<string, Map<string, Proof>>();

  /** `digest` stands for the password that was found right. */
  add(client: string, name: string, digest: Buffer): void {
    const proofs = this.#clients.get(client) ?? new Map<string, Proof>();
    proofs.set(name, { digest, misses: 0 });
    this.#clients.delete(client);
    this.#clients.set(client, proofs);
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > MAX_CLIENTS && oldest !== undefined) this.#clients.delete(oldest);
  }

  has(client: string, name: string, digest: Buffer): boolean {
    const proofs = this.#clients.get(client);
    const proof = proofs?.get(name);
    if (!proofs || !proof) return false;
    if (timingSafeEqual(proof.digest, digest)) return true;
    if (++proof.misses >= MAX_MISSES) proofs.delete(name);
    return false;
  }

  /** Has anybody logged in from there? */
  knows(client: string): boolean {
    return this.#clients.has(client);
  }
}

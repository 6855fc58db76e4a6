import { timingSafeEqual } from 'node:crypto';

/** Most remembered clients; the client with the oldest login is dropped first. */
const MAX_CLIENTS = 1000;
/** Wrong passwords for a name from the same client, after which bcrypt checks even the right password again. */
const MAX_MISSES = 10;

interface Proof {
  readonly digest: Buffer;
  misses: number;
}

/**
 * Logins that bcrypt has confirmed, so that a page of fifty files needs one comparison. A login is valid for its own client only:
 * other clients' guesses must go through the queue.
 */
export class ProvenLogins {
  readonly #clients = new Map<string, Map<string, Proof>>();

  /** `digest`: the digest of the confirmed password. */
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

  /** Has any user logged in from this client? */
  knows(client: string): boolean {
    return this.#clients.has(client);
  }
}

/** Most remembered logins; the login that was confirmed longest ago is dropped first. */
const MAX_LOGINS = 10_000;

/**
 * Logins that were confirmed against a stored password, with its hash. A check of an open tunnel (`revalidate`) compares hashes, and
 * runs bcrypt only after the stored password has changed.
 */
export class TunnelLogins {
  readonly #hashes = new Map<string, string>();

  /** `digest`: a keyed digest of the given password. */
  note(name: string, digest: Buffer, hash: string): void {
    const key = keyOf(name, digest);
    this.#hashes.delete(key);
    this.#hashes.set(key, hash);
    const [oldest] = this.#hashes.keys();
    if (this.#hashes.size > MAX_LOGINS && oldest !== undefined) this.#hashes.delete(oldest);
  }

  /** Was this password confirmed for the stored password with this hash? */
  has(name: string, digest: Buffer, hash: string): boolean {
    const isConfirmed = this.#hashes.get(keyOf(name, digest)) === hash;
    if (isConfirmed) this.note(name, digest, hash);
    return isConfirmed;
  }
}

function keyOf(name: string, digest: Buffer): string {
  return `${digest.toString('base64')} ${name}`;
}

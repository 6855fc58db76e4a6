import { createHash, randomBytes } from 'node:crypto';
import { encodeBase64, getRounds, truncates } from 'bcryptjs';
import { CommandError, EXIT } from '../../exit.js';
import { readFirstLine, readTextFile } from '../../files.js';

/** With a higher cost, a login would take seconds and delay all other logins. */
const MAX_COST = 14;
/** The lowest cost of bcrypt. */
const MIN_COST = 4;

/** A stored password: a bcrypt hash, or the digest of a plain one. */
export type Secret = { readonly hash: string } | { readonly digest: Buffer };

/** Reads lines `name:hash`, as `htpasswd -B` writes them. @throws {CommandError} */
export function readHashes(file: string): [string, Secret][] {
  const lines = readTextFile(file)
    .split(/\r?\n/)
    .map((line, index) => ({ line: line.trim(), number: index + 1 }));
  const entries = lines.filter(({ line }) => line !== '' && !line.startsWith('#'));
  if (entries.length === 0) throw new CommandError(EXIT.config, `${file}: it contains no login`);
  return entries.map(({ line, number }) => {
    const [, name = '', hash = ''] = /^([^:]+):(\S+)$/.exec(line) ?? [];
    return [name, { hash: readHash(hash, `${file}:${number}`) }];
  });
}

/** Reads the first line: a bcrypt hash, with or without a name in front, or the password itself. @throws {CommandError} */
export function readSecret(user: string, file: string): Secret {
  const line = readFirstLine(file, `the password of "${user}"`);
  // The decoder replaces every invalid byte by this character: many passwords would be the same.
  if (line.includes('\uFFFD'))
    throw new CommandError(EXIT.config, `the password of "${user}" is not UTF-8: save it as UTF-8 text`);
  const [, hash] = /^(?:[^:]*:)?(\$2[aby]\$.*)$/.exec(line.trim()) ?? [];
  return hash === undefined ? { digest: passwordDigest(line) } : { hash: readHash(hash, `${file}:1`) };
}

function readHash(hash: string, place: string): string {
  if (!/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(hash))
    throw new CommandError(
      EXIT.config,
      `${place}: a login must be "name:hash" with a bcrypt hash; make one with htpasswd -nB NAME`,
    );
  const cost = getRounds(hash);
  if (cost < MIN_COST || cost > MAX_COST)
    throw new CommandError(
      EXIT.config,
      `${place}: the cost of a bcrypt hash must be ${MIN_COST} to ${MAX_COST}`,
    );
  return hash;
}

/** A digest, for a comparison of equal lengths. */
export function passwordDigest(password: string): Buffer {
  return createHash('sha256').update(password).digest();
}

/**
 * bcrypt ignores everything after 72 bytes, and repeats the password at a NUL ("a" equals "a\0a"). Such a password would match the
 * hash of a different password.
 */
export function isBeyondBcrypt(password: string): boolean {
  return truncates(password) || password.includes('\0');
}

/**
 * The hashes that bcrypt computes for a name. Every name, known or unknown, costs the same number of rounds, so that the time
 * reveals nothing. For a hash below the file's highest cost, further hashes make up the difference: 2^c + 2^c + 2^(c+1) + ... =
 * 2^highest.
 */
export class EqualWork {
  /** The highest cost; 0 without hashes. */
  readonly #highest: number;
  readonly #salt = randomBytes(16);

  constructor(secrets: Iterable<Secret>) {
    this.#highest = Math.max(0, ...Array.from(secrets, (one) => ('hash' in one ? getRounds(one.hash) : 0)));
  }

  /** The hashes to compute, the user's hash first. */
  for(secret: Secret | undefined): string[] {
    const own = secret && 'hash' in secret ? secret.hash : undefined;
    if (own === undefined) return this.#highest === 0 ? [] : [this.#made(this.#highest)];
    const hashes = [own];
    for (let cost = getRounds(own); cost < this.#highest; cost++) hashes.push(this.#made(cost));
    return hashes;
  }

  /** A hash that no password matches. */
  #made(cost: number): string {
    return `$2b$${String(cost).padStart(2, '0')}$${encodeBase64(this.#salt, 16)}${'.'.repeat(31)}`;
  }
}

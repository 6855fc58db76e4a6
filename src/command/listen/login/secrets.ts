import { createHash, randomBytes } from 'node:crypto';
import { encodeBase64, getRounds, truncates } from 'bcryptjs';
import { CommandError, EXIT } from '../../exit.js';
import { readFirstLine, readTextFile } from '../../files.js';

/** A bcrypt of more rounds would take seconds, for which others that log in wait. */
const MAX_COST = 14;
/** bcrypt knows no fewer. */
const MIN_COST = 4;

/** A password as the file has it: as a bcrypt hash, or of a plain one the digest. */
export type Secret = { readonly hash: string } | { readonly digest: Buffer };

/** What `htpasswd -B` writes: lines `name:hash`. */
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

/** The first line: a bcrypt hash, with or without the name before it, or the password itself. */
export function readSecret(user: string, file: string): Secret {
  const line = readFirstLine(file, `the password of "${user}"`);
  // Bytes that are no UTF-8 are all read as this character: many passwords would be one.
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

/** Of one length, whatever the password's. */
export function passwordDigest(password: string): Buffer {
  return createHash('sha256').update(password).digest();
}

/**
 * bcrypt ignores what is after 72 bytes, and a NUL is where it begins the password again ("a" is "a\0a" to it): a password
 * with either can't be told from another one.
 */
export function isBeyondBcrypt(password: string): boolean {
  return truncates(password) || password.includes('\0');
}

/**
 * What bcrypt computes for each name, also for those that nobody has: as many rounds for each, so that times tell nothing. A
 * hash of a lower cost is followed by others up to the highest cost of the file: 2^c + 2^c + 2^(c+1) + ... is 2^highest.
 */
export class EqualWork {
  /** 0: there are no hashes. */
  readonly #highest: number;
  readonly #salt = randomBytes(16);

  constructor(secrets: Iterable<Secret>) {
    this.#highest = Math.max(0, ...Array.from(secrets, (one) => ('hash' in one ? getRounds(one.hash) : 0)));
  }

  /** The hashes to compute, the name's own first. */
  for(secret: Secret | undefined): string[] {
    const own = secret && 'hash' in secret ? secret.hash : undefined;
    if (own === undefined) return this.#highest === 0 ? [] : [this.#made(this.#highest)];
    const hashes = [own];
    for (let cost = getRounds(own); cost < this.#highest; cost++) hashes.push(this.#made(cost));
    return hashes;
  }

  /** A hash of no password. */
  #made(cost: number): string {
    return `$2b$${String(cost).padStart(2, '0')}$${encodeBase64(this.#salt, 16)}${'.'.repeat(31)}`;
  }
}

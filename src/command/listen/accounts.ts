import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { statSync } from 'node:fs';
import { getRounds } from 'bcryptjs';
import { CommandError, EXIT } from '../exit.js';
import { readFirstLine, readText } from '../files.js';
import { compare } from './bcrypt.js';
import type { LoginFile } from './plan.js';

/** A bcrypt of more rounds would take seconds, for which others that log in wait. */
const MAX_COST = 14;
/** bcrypt knows no fewer. */
const MIN_COST = 4;

/** Comparisons that may be waiting, the one that is under way among them. */
const MAX_CHECKS = 4;

/** `busy`: as many are being checked as may be. */
export type Verdict = 'yes' | 'no' | 'busy';

/** A password as the file has it: as a bcrypt hash, or of a plain one the digest. */
type Secret = { readonly hash: string } | { readonly digest: Buffer };

/** Names and passwords of those who may come. Nothing in here is ever printed. */
export class Accounts {
  readonly #secrets: ReadonlyMap<string, Secret>;
  /** Of a name the password that was right, so that bcrypt is asked once for a page of fifty files. */
  readonly #proven = new Map<string, Buffer>();
  readonly #key = randomBytes(32);
  #checks = 0;

  constructor(secrets: ReadonlyMap<string, Secret>) {
    this.#secrets = secrets;
  }

  async verify(name: string, password: string): Promise<Verdict> {
    const secret = this.#secrets.get(name);
    const given = createHmac('sha256', this.#key).update(password).digest();
    const proven = this.#proven.get(name);
    if (proven && timingSafeEqual(proven, given)) return 'yes';
    if (secret && 'digest' in secret)
      return timingSafeEqual(secret.digest, digestOf(password)) ? 'yes' : 'no';
    // A name that nobody has takes as long as one that is known.
    const hash = secret?.hash ?? this.#anyHash();
    if (hash === undefined) return 'no';
    if (this.#checks >= MAX_CHECKS) return 'busy';
    this.#checks++;
    const isRight = await compare(password, hash).finally(() => this.#checks--);
    if (!isRight || !secret) return 'no';
    this.#proven.set(name, given);
    return 'yes';
  }

  #anyHash(): string | undefined {
    return [...this.#secrets.values()].flatMap((one) => ('hash' in one ? [one.hash] : []))[0];
  }
}

/** Reads the files; `warn` is told of one that other users of the machine can read. */
export function readAccounts(files: readonly LoginFile[], warn: (line: string) => void): Accounts {
  const secrets = new Map<string, Secret>();
  for (const { user, file } of files) {
    const entries = user === undefined ? readHashes(file) : [[user, readSecret(user, file)] as const];
    for (const [name, secret] of entries) {
      if (secrets.has(name))
        throw new CommandError(EXIT.config, `${file}: there are two passwords for one name`);
      secrets.set(name, secret);
      if ('digest' in secret && (statSync(file).mode & 0o004) !== 0)
        warn(`${file}: every user of this machine can read the password (chmod 600)`);
    }
  }
  return new Accounts(secrets);
}

/** What `htpasswd -B` writes: lines `name:hash`. */
function readHashes(file: string): [string, Secret][] {
  const lines = readText(file)
    .split(/\r?\n/)
    .map((line, index) => ({ line: line.trim(), number: index + 1 }));
  const entries = lines.filter(({ line }) => line !== '' && !line.startsWith('#'));
  if (entries.length === 0) throw new CommandError(EXIT.config, `${file}: there is no login in it`);
  return entries.map(({ line, number }) => {
    const [, name = '', hash = ''] = /^([^:]+):(\S+)$/.exec(line) ?? [];
    return [name, { hash: readHash(hash, `${file}:${number}`) }];
  });
}

/** The first line: a bcrypt hash, with or without the name before it, or the password itself. */
function readSecret(user: string, file: string): Secret {
  const line = readFirstLine(file, `the password of "${user}"`);
  const [, hash] = /^(?:[^:]*:)?(\$2[aby]\$.*)$/.exec(line.trim()) ?? [];
  return hash === undefined ? { digest: digestOf(line) } : { hash: readHash(hash, `${file}:1`) };
}

function readHash(hash: string, place: string): string {
  if (!/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(hash))
    throw new CommandError(
      EXIT.config,
      `${place}: a login is "name:hash" with a bcrypt hash: htpasswd -nB NAME`,
    );
  const cost = getRounds(hash);
  if (cost < MIN_COST || cost > MAX_COST)
    throw new CommandError(EXIT.config, `${place}: a bcrypt hash has a cost of ${MIN_COST} to ${MAX_COST}`);
  return hash;
}

/** Of one length, whatever the password's. */
function digestOf(password: string): Buffer {
  return createHash('sha256').update(password).digest();
}

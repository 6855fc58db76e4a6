import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { statSync } from 'node:fs';
import { messageOf } from '../../../errors.js';
import { CommandError, EXIT } from '../../exit.js';
import { BcryptThread } from './bcrypt-thread.js';
import { loginKeysOf } from './wrong-logins.js';
import { LoginMemory } from './login-memory.js';
import type { QueueRefusal } from './login-queue.js';
import type { LoginFile } from '../plan.js';
import { ProvenLogins } from './proven-logins.js';
import { passwordDigest, EqualWork, isBeyondBcrypt, readHashes, readSecret, type Secret } from './secrets.js';

/** `failed`: the password could not be checked. */
export type LoginVerdict = 'yes' | 'no' | 'failed' | QueueRefusal;

/** What those who ask for a login share. */
interface AccountsSettings {
  readonly memory?: LoginMemory;
  readonly bcrypt?: Pick<BcryptThread, 'compare'>;
  readonly warn?: (line: string) => void;
}

/** Of the process: each reading of the files goes on with it. */
const thread = new BcryptThread();

/** Names and passwords of those who may come. Nothing in here is ever printed. */
export class Accounts {
  readonly #secrets: ReadonlyMap<string, Secret>;
  readonly #work: EqualWork;
  readonly #proven = new ProvenLogins();
  readonly #key = randomBytes(32);
  readonly #memory: LoginMemory;
  readonly #bcrypt: Pick<BcryptThread, 'compare'>;
  readonly #warn: (line: string) => void;
  #lastWarning = '';

  constructor(
    secrets: ReadonlyMap<string, Secret>,
    { memory = new LoginMemory(), bcrypt = thread, warn = () => undefined }: AccountsSettings = {},
  ) {
    this.#secrets = secrets;
    this.#work = new EqualWork(secrets.values());
    this.#memory = memory;
    this.#bcrypt = bcrypt;
    this.#warn = warn;
  }

  /**
   * Checks a login, in turn. `client` is what the client is counted by; `signal` aborts when it is gone. Never rejects.
   */
  async verify(name: string, password: string, client = '', signal?: AbortSignal): Promise<LoginVerdict> {
    const given = createHmac('sha256', this.#key).update(password).digest();
    if (this.#proven.has(client, name, given)) return 'yes';
    const { queue, guesses } = this.#memory;
    const guesser = loginKeysOf(client, name);
    const turn = await queue.enter({ ...guesser, isKnown: this.#proven.knows(client), signal });
    if (typeof turn === 'string') return turn;
    try {
      // Another request of the same page may have been first.
      if (this.#proven.has(client, name, given)) return 'yes';
      if (await this.#isRight(name, password)) {
        this.#proven.add(client, name, given);
        return 'yes';
      }
      guesses.note(guesser);
      return 'no';
    } catch (error) {
      this.#warnOnce(`passwords can't be checked: ${messageOf(error)}`);
      return 'failed';
    } finally {
      turn.release();
    }
  }

  /** What changes with the password of a name; undefined where nobody has the name. */
  markOf(name: string): string | undefined {
    const secret = this.#secrets.get(name);
    return secret && ('hash' in secret ? secret.hash : secret.digest.toString('base64'));
  }

  async #isRight(name: string, password: string): Promise<boolean> {
    const secret = this.#secrets.get(name);
    const isPlain = secret !== undefined && 'digest' in secret;
    const digest = passwordDigest(password);
    if (timingSafeEqual(isPlain ? secret.digest : this.#key, digest) && isPlain) return true;
    const hashes = this.#work.for(secret);
    // By the password alone: it takes as long for each name.
    if (hashes.length === 0 || isBeyondBcrypt(password)) return false;
    const isRight = await this.#bcrypt.compare(password, hashes);
    this.#lastWarning = '';
    return isRight && secret !== undefined && !isPlain;
  }

  #warnOnce(line: string): void {
    if (line !== this.#lastWarning) this.#warn(line);
    this.#lastWarning = line;
  }
}

/** Reads the files; `warn` is told of one that other users of the machine can read. */
export function readAccounts(
  files: readonly LoginFile[],
  warn: (line: string) => void,
  settings: AccountsSettings = {},
): Accounts {
  const secrets = new Map<string, Secret>();
  for (const { user, file } of files) {
    const entries = user === undefined ? readHashes(file) : [[user, readSecret(user, file)] as const];
    for (const [name, secret] of entries) {
      if (secrets.has(name)) throw new CommandError(EXIT.config, `${file}: one name has two passwords`);
      secrets.set(name, secret);
      if ('digest' in secret && (statSync(file).mode & 0o004) !== 0)
        warn(`${file}: every user of this machine can read the password (chmod 600)`);
    }
  }
  return new Accounts(secrets, { warn, ...settings });
}

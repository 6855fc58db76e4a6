import { randomBytes, timingSafeEqual } from 'node:crypto';
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

/** The parts that a test can replace. */
interface AccountsSettings {
  readonly memory?: LoginMemory;
  readonly bcrypt?: Pick<BcryptThread, 'compare'>;
  readonly warn?: (line: string) => void;
}

/** The client of all rechecks in the queue of logins: together they get one turn of many. */
const RECHECKS = 'open tunnels';

/** One thread for the process, not for each reload. */
const thread = new BcryptThread();

/** The names and passwords of `--auth`. Neither is ever printed. */
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
   * Checks a login when the queue gives it a turn. `client` is the key for the client's limits; `signal` aborts when the client is
   * gone. Never rejects.
   */
  async verify(name: string, password: string, client = '', signal?: AbortSignal): Promise<LoginVerdict> {
    const given = this.#memory.digestOf(password);
    if (this.#proven.has(client, name, given)) return 'yes';
    const { queue, guesses } = this.#memory;
    const guesser = loginKeysOf(client, name);
    const turn = await queue.enter({ ...guesser, isKnown: this.#proven.knows(client), signal });
    if (typeof turn === 'string') return turn;
    try {
      // While the login was queued, another request of the same page may have proved it.
      if (this.#proven.has(client, name, given)) return 'yes';
      if (await this.#isRight(name, password)) {
        this.#proven.add(client, name, given);
        this.#noteLogin(name, given);
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

  /**
   * Is the login of an open tunnel still valid? The password was right when the tunnel opened, so that a wrong password means a changed
   * one, and counts as no guess. bcrypt runs only for a stored password that has changed since. Never rejects.
   */
  async recheck(name: string, password: string, signal?: AbortSignal): Promise<LoginVerdict> {
    const secret = this.#secrets.get(name);
    if (!secret) return 'no';
    if ('digest' in secret) return timingSafeEqual(secret.digest, passwordDigest(password)) ? 'yes' : 'no';
    const given = this.#memory.digestOf(password);
    if (this.#memory.tunnelLogins.has(name, given, secret.hash)) return 'yes';
    const turn = await this.#memory.queue.enter({ ...loginKeysOf(RECHECKS, name), isKnown: false, signal });
    if (typeof turn === 'string') return turn;
    try {
      if (isBeyondBcrypt(password) || !(await this.#bcrypt.compare(password, [secret.hash]))) return 'no';
      this.#noteLogin(name, given);
      return 'yes';
    } catch (error) {
      this.#warnOnce(`passwords can't be checked: ${messageOf(error)}`);
      return 'failed';
    } finally {
      turn.release();
    }
  }

  #noteLogin(name: string, given: Buffer): void {
    const secret = this.#secrets.get(name);
    if (secret && 'hash' in secret) this.#memory.tunnelLogins.note(name, given, secret.hash);
  }

  /** A value that changes with the user's password; undefined for an unknown name. */
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
    // By the password alone, so that the time is the same for each name.
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

/** Reads the files; warns of a password file that other users of the machine can read. @throws {CommandError} */
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

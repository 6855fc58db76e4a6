import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../../../types.js';
import { CommandError, EXIT } from '../../exit.js';
import { reasonOf } from '../../files.js';
import { tokenDigest, pathsIn, stampOf } from './token-file.js';
import { TokenTable } from './token-table.js';

/** After a look at all files, how many times as long none follows: wrong tokens must not cost a processor. */
const PAUSE_FACTOR = 5;
/** They say nothing about a file. */
const NO_DESCRIPTORS: readonly string[] = ['EMFILE', 'ENFILE'];
/** Milliseconds that a wrong token waits for a look at all files; where it takes longer it goes on by itself. */
const PATIENCE = 250;

/**
 * websockify's token file: lines `token: host:port`, or a folder of such files. The look-up of a known token asks the disk about
 * the token's own file alone, that of an unknown one about the folder alone, however many files there are: a token that was
 * removed is invalid at once. Files that were changed in place are looked for when a token is unknown, apart from its look-up
 * where there are many.
 */
export class TokenStore {
  readonly #path: string;
  readonly #warn: (line: string) => void;
  readonly #table = new TokenTable();
  /** Of the folder, when its names were last read. */
  #folderStamp = '';
  /** Changes of the table are made one after the other. */
  #work: Promise<unknown> = Promise.resolve();
  #scan: Promise<void> | undefined;
  #scanTook = 0;
  #restUntil = 0;
  #lastWarning = '';

  private constructor(path: string, warn: (line: string) => void) {
    this.#path = path;
    this.#warn = warn;
  }

  /** @throws {CommandError} for a file that is missing, or where no line is valid. An invalid line beside others is reported. */
  static async open(path: string, warn: (line: string) => void): Promise<TokenStore> {
    const tokens = new TokenStore(path, warn);
    const started = performance.now();
    const problems = await tokens.#readNames().catch((error: unknown) => {
      throw new CommandError(EXIT.config, `${path}: ${reasonOf(error)}`, { cause: error });
    });
    const [first] = problems;
    if (first !== undefined && tokens.#table.isEmpty) throw new CommandError(EXIT.config, first);
    for (const problem of problems) warn(problem);
    tokens.#noteScan(started);
    return tokens;
  }

  async find(token: string | null): Promise<Host | undefined> {
    if (token === null) return undefined;
    const digest = tokenDigest(token);
    const known = await this.#confirmed(digest);
    if (known) return known;
    await this.#lookForNew();
    return this.#confirmed(digest);
  }

  /** A target, if its file still names it. */
  async #confirmed(digest: string): Promise<Host | undefined> {
    const file = this.#table.get(digest)?.file;
    if (file === undefined) return undefined;
    if (!(await this.#table.isCurrent(file))) await this.#change(() => this.#table.readChanged([file]));
    const target = this.#table.get(digest);
    return target?.file === file ? target.host : undefined;
  }

  async #lookForNew(): Promise<void> {
    const stamp = await stampOf(this.#path);
    const isSame = stamp?.isFolder === true && stamp.text !== '' && stamp.text === this.#folderStamp;
    if (!isSame) await this.#change(() => this.#readNamesOrNone());
    if (stamp?.isFolder === true) await this.#scanWhenRested();
  }

  /** One after the other, so that none is made by what the disk said before another. */
  async #change(make: () => Promise<string[]>): Promise<void> {
    const done = this.#work.then(make);
    this.#work = done.catch(() => undefined);
    for (const problem of await done) this.#warn(problem);
  }

  /** Reads the files that are new, and forgets those that are gone; a path that is no folder is read if it has changed. */
  async #readNames(): Promise<string[]> {
    const stamp = await stampOf(this.#path);
    const { files } = this.#table;
    const known = new Set(files);
    const paths = stamp?.isFolder === false ? [this.#path] : await pathsIn(this.#path);
    const present = new Set(paths);
    this.#folderStamp = stamp?.text ?? '';
    this.#lastWarning = '';
    return this.#table.readChanged([
      ...paths.filter((file) => stamp?.isFolder !== true || !known.has(file)),
      ...files.filter((file) => !present.has(file)),
    ]);
  }

  async #readNamesOrNone(): Promise<string[]> {
    try {
      return await this.#readNames();
    } catch (error) {
      this.#folderStamp = '';
      const hasNoRoom = NO_DESCRIPTORS.includes((error as NodeJS.ErrnoException).code ?? '');
      if (!hasNoRoom) this.#table.clear();
      this.#warnOnce(
        `${this.#path}: ${reasonOf(error)}; ${hasNoRoom ? 'new files are not noticed' : 'no token is valid'}`,
      );
      return [];
    }
  }

  /** Looks for files that were changed in place. */
  async #scanWhenRested(): Promise<void> {
    const wait = Math.max(0, this.#restUntil - performance.now());
    // Nobody may be there to hear of a failure.
    this.#scan ??= this.#scanAfter(wait)
      .catch((error: unknown) => this.#warnOnce(`${this.#path}: ${reasonOf(error)}`))
      .finally(() => (this.#scan = undefined));
    if (wait + this.#scanTook < PATIENCE) await this.#scan;
  }

  async #scanAfter(wait: number): Promise<void> {
    await sleep(wait, undefined, { ref: false });
    const started = performance.now();
    // Look-ups go first: of many files this takes seconds.
    const changed = await this.#table.changedOf(this.#table.files);
    if (changed.length > 0) await this.#change(() => this.#table.readChanged(changed));
    this.#noteScan(started);
  }

  #noteScan(started: number): void {
    const now = performance.now();
    this.#scanTook = now - started;
    this.#restUntil = now + PAUSE_FACTOR * this.#scanTook;
  }

  /** Not at every request. */
  #warnOnce(line: string): void {
    if (line !== this.#lastWarning) this.#warn(line);
    this.#lastWarning = line;
  }
}

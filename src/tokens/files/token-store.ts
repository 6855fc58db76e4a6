import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../../helpers/system-error.js';
import type { Host } from '../../types.js';
import { faultOf, FileFault } from './file-fault.js';
import { tokenDigest, pathsIn, stampOf } from './token-file.js';
import { TokenTable } from './token-table.js';

/** Pause after a scan of all files, as a multiple of the scan's duration: wrong tokens must not use up a processor. */
const PAUSE_FACTOR = 5;
/** Errors of this process, which say nothing about the file. */
const NO_DESCRIPTORS: readonly string[] = ['EMFILE', 'ENFILE'];
/** Milliseconds for which the look-up of an unknown token waits for a scan; a longer scan continues in the background. */
const PATIENCE = 250;
/** Milliseconds for a program to replace a file that it has removed. */
const REWRITE = 1000;

/**
 * The tokens of websockify's token file (lines `token: host:port`), or of a folder of such files. However many files there are, the
 * look-up of a known token checks only the token's own file, so that a removed token is invalid at once; the look-up of an unknown
 * token checks only the folder. An unknown token also starts a scan for files that were changed in place; with many files, the
 * look-up does not wait for the end of the scan.
 */
export class TokenStore {
  readonly #path: string;
  readonly #warn: (line: string) => void;
  readonly #table = new TokenTable();
  /** The folder's stamp at the last reading of its names. */
  #folderStamp = '';
  /** The last change of the table. Changes run one after another. */
  #work: Promise<unknown> = Promise.resolve();
  #scan: Promise<void> | undefined;
  #scanTook = 0;
  #restUntil = 0;
  #lastWarning = '';
  /** The path exists, but its names could not be read. */
  #isUnreadable = false;

  private constructor(path: string, warn: (line: string) => void) {
    this.#path = path;
    this.#warn = warn;
  }

  /** Warns of invalid lines. @throws {FileFault} if a file is missing, or no line is valid */
  static async open(path: string, warn: (line: string) => void): Promise<TokenStore> {
    const tokens = new TokenStore(path, warn);
    const started = performance.now();
    const problems = await tokens.#readNames().catch((error: unknown) => {
      throw faultOf(path, error);
    });
    const [first] = problems;
    if (first !== undefined && tokens.#table.isEmpty) throw new FileFault(first);
    for (const problem of problems) warn(problem);
    tokens.#noteScan(started);
    return tokens;
  }

  /** The target of a token as last read, without a look at the files. */
  known(token: string): Host | undefined {
    return this.#table.get(tokenDigest(token))?.host;
  }

  async find(token: string | null): Promise<Host | undefined> {
    if (token === null) return undefined;
    const digest = tokenDigest(token);
    const known = await this.#confirmed(digest);
    if (known) return known;
    await this.#lookForNew();
    return this.#confirmed(digest);
  }

  /**
   * Is the token of an open tunnel still valid? Undefined if files can't be read. A token that has disappeared is looked up again after
   * a second, since some programs remove a file before they write the new one.
   */
  async isValid(token: string | null): Promise<boolean | undefined> {
    if (await this.find(token)) return true;
    await sleep(REWRITE, undefined, { ref: false });
    if (await this.find(token)) return true;
    return this.#isUnreadable || this.#table.isIncomplete ? undefined : false;
  }

  /** The target of a token, if the file still contains the token. */
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

  /** Changes run one after another, so that no change uses data from before another change. */
  async #change(make: () => Promise<string[]>): Promise<void> {
    const done = this.#work.then(make);
    this.#work = done.catch(() => undefined);
    for (const problem of await done) this.#warn(problem);
  }

  /** Reads new files, and removes files that no longer exist; a single file is read again if it has changed. */
  async #readNames(): Promise<string[]> {
    const stamp = await stampOf(this.#path);
    const { files } = this.#table;
    const known = new Set(files);
    const paths = stamp?.isFolder === false ? [this.#path] : await pathsIn(this.#path);
    const present = new Set(paths);
    this.#folderStamp = stamp?.text ?? '';
    this.#lastWarning = '';
    this.#isUnreadable = false;
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
      const { code = '' } = error as NodeJS.ErrnoException;
      this.#isUnreadable = code !== 'ENOENT';
      const hasNoRoom = NO_DESCRIPTORS.includes(code);
      if (!hasNoRoom) this.#table.clear();
      this.#warnOnce(
        `${this.#path}: ${reasonOf(error)}; ${hasNoRoom ? 'new files are not noticed' : 'no token is valid'}`,
      );
      return [];
    }
  }

  /** Scans for files that were changed in place, once the pause since the last scan is over. */
  async #scanWhenRested(): Promise<void> {
    const wait = Math.max(0, this.#restUntil - performance.now());
    // The scan may run in the background, where no caller handles a rejection.
    this.#scan ??= this.#scanAfter(wait)
      .catch((error: unknown) => this.#warnOnce(`${this.#path}: ${reasonOf(error)}`))
      .finally(() => (this.#scan = undefined));
    if (wait + this.#scanTook < PATIENCE) await this.#scan;
  }

  async #scanAfter(wait: number): Promise<void> {
    await sleep(wait, undefined, { ref: false });
    const started = performance.now();
    // Outside of `#change`, so that look-ups are not delayed: with many files, a scan takes seconds.
    const changed = await this.#table.changedOf(this.#table.files);
    if (changed.length > 0) await this.#change(() => this.#table.readChanged(changed));
    this.#noteScan(started);
  }

  #noteScan(started: number): void {
    const now = performance.now();
    this.#scanTook = now - started;
    this.#restUntil = now + PAUSE_FACTOR * this.#scanTook;
  }

  /** Warns once about a problem, not at each request. */
  #warnOnce(line: string): void {
    if (line !== this.#lastWarning) this.#warn(line);
    this.#lastWarning = line;
  }
}

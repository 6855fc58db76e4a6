import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError } from '../../exit.js';
import type { Host } from '../../../types.js';
import { isInAnotherFile, readLines, stampOf, type TokenLine, type TokenLines } from './token-file.js';

/** Files that are looked at or read at once: the disk is for the tunnels' own files as well. */
const AT_ONCE = 16;

/** Milliseconds after which a file that seems half written is read again, and how many times. */
const SETTLE = 20;
const SETTLE_TRIES = 50;

/** Where a token leads, and the file that says so. */
interface TokenTarget {
  readonly host: Host;
  readonly file: string;
  readonly line: number;
}

/** A file as it was last read. */
interface KnownFile {
  /** Empty: it is to be read again, though it may look the same. */
  readonly stamp: string;
  readonly entries: readonly TokenLine[];
  /** What is wrong with it. */
  readonly problems: readonly string[];
}

/** A file that was read, or could not be; without a stamp it is gone. */
interface FileReading extends Partial<KnownFile> {
  readonly file: string;
}

/**
 * The tokens of all files. A token is valid only while a file says so: one that can't be read has none, and an invalid line costs
 * only itself.
 */
export class TokenTable {
  readonly #files = new Map<string, KnownFile>();
  /**
   * By digest of their token: what is looked up tells nothing by the time it takes. Of a token that is in several files the
   * target of the first file by name holds, whichever was read first.
   */
  readonly #targets = new Map<string, TokenTarget[]>();
  /** Files that have a token of an earlier file, and the line that was reported. */
  readonly #shadowed = new Map<string, number>();

  get files(): string[] {
    return [...this.#files.keys()];
  }

  /** Is there no token at all? */
  get isEmpty(): boolean {
    return this.#targets.size === 0;
  }

  get(digest: string): TokenTarget | undefined {
    return this.#targets.get(digest)?.[0];
  }

  /** Is the file as it was when it was last read? */
  async isCurrent(file: string): Promise<boolean> {
    const { stamp = '' } = this.#files.get(file) ?? {};
    return stamp !== '' && (await stampOf(file))?.text === stamp;
  }

  /** Reads these files; returns what is wrong with them now and was not before. */
  async read(files: readonly string[]): Promise<string[]> {
    const readings = await inParallel(files, (file) => this.#readSettled(file));
    const stale = await this.#staleOwners(readings);
    if (stale.length > 0) return this.read([...files, ...stale]);
    // A token may have moved from one of them to another.
    for (const { file } of readings) this.#remove(file);
    const problems = readings.flatMap((reading) => this.#add(reading));
    return [...problems, ...readings.flatMap((reading) => this.#shadowedBy(reading))];
  }

  /** Those of them that are not as they were. */
  async changedOf(files: readonly string[]): Promise<string[]> {
    const isCurrent = await inParallel(files, (file) => this.isCurrent(file));
    return files.filter((_, index) => isCurrent[index] !== true);
  }

  /** Reads those of them that are not as they were. */
  async readChanged(files: readonly string[]): Promise<string[]> {
    return this.read(await this.changedOf(files));
  }

  clear(): void {
    this.#files.clear();
    this.#targets.clear();
    this.#shadowed.clear();
  }

  /**
   * An editor empties a file before it writes the new lines, and a script writes line by line: a file that was changed a moment
   * ago and has lost tokens, or ends within a line, is read again until it is older. Of a line without an end a port may be short
   * of digits.
   */
  async #readSettled(file: string): Promise<FileReading> {
    for (let tries = SETTLE_TRIES; ; tries--) {
      // Before it is read: a change in between is found the next time.
      const stamp = await stampOf(file);
      if (!stamp || stamp.isFolder) return { file };
      const lines = await readLines(file).catch((error: unknown) => failureOf(error));
      // What could not be read (no descriptors left) may be right: it is read again at the next look-up.
      if (lines instanceof CommandError)
        return { file, stamp: '', problems: [`${lines.message}; none of its tokens is valid`] };
      const isFresh = stamp.text === '';
      if (!isFresh || !this.#seemsUnfinished(file, lines)) return { file, stamp: stamp.text, ...lines };
      if (tries === 0) return { file, stamp: '', ...withoutLast(lines) };
      await sleep(SETTLE, undefined, { ref: false });
    }
  }

  #seemsUnfinished(file: string, { entries, isEnded }: TokenLines): boolean {
    const { entries: known = [] } = this.#files.get(file) ?? {};
    if (!isEnded || known.length === 0) return !isEnded;
    const digests = new Set(entries.map(({ digest }) => digest));
    return known.some(({ digest }) => !digests.has(digest));
  }

  /** Files that had a token which is now in another one, and that have changed since. */
  async #staleOwners(readings: readonly FileReading[]): Promise<string[]> {
    const owners = new Set<string>();
    for (const { digest } of readings.flatMap(({ entries = [] }) => entries))
      for (const { file } of this.#targets.get(digest) ?? []) owners.add(file);
    for (const { file } of readings) owners.delete(file);
    return this.changedOf([...owners]);
  }

  #remove(file: string): void {
    for (const { digest } of this.#files.get(file)?.entries ?? []) {
      const others = (this.#targets.get(digest) ?? []).filter((target) => target.file !== file);
      if (others.length > 0) this.#targets.set(digest, others);
      else this.#targets.delete(digest);
    }
  }

  #add({ file, stamp, entries = [], problems = [] }: FileReading): string[] {
    const { problems: known = [] } = this.#files.get(file) ?? {};
    this.#files.delete(file);
    if (stamp === undefined) this.#shadowed.delete(file);
    else this.#files.set(file, { stamp, entries, problems });
    for (const { digest, host, line } of entries) {
      const targets = [...(this.#targets.get(digest) ?? []), { host, file, line }];
      if (targets.length > 1) targets.sort((a, b) => (a.file < b.file ? -1 : 1));
      this.#targets.set(digest, targets);
    }
    return problems.filter((problem) => !known.includes(problem));
  }

  /** What is new about tokens of this file that are in another one: one message for each file that counts for nothing there. */
  #shadowedBy({ entries = [] }: FileReading): string[] {
    const losers = new Map<string, number>();
    for (const { digest } of entries)
      for (const { file, line } of (this.#targets.get(digest) ?? []).slice(1))
        if (!losers.has(file)) losers.set(file, line);
    return [...losers].flatMap(([file, line]) => {
      const known = this.#shadowed.get(file);
      this.#shadowed.set(file, line);
      return known === line ? [] : [isInAnotherFile(file, line)];
    });
  }
}

/** Only what a file can be blamed for: a defect of ours goes up. */
function failureOf(error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  throw error;
}

/** The last line is left for the next reading. */
function withoutLast({ entries, problems, isEnded }: TokenLines): Pick<KnownFile, 'entries' | 'problems'> {
  return { entries: isEnded ? entries : entries.slice(0, -1), problems };
}

async function inParallel<T, R>(list: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const rest = list.entries();
  const worker = async () => {
    for (const [index, one] of rest) results[index] = await work(one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../../types.js';
import { FileFault } from './file-fault.js';
import {
  IS_HUGE,
  isInAnotherFile,
  readLines,
  stampOf,
  type TokenLine,
  type TokenLines,
} from './token-file.js';

/** Files that are read in parallel; few, to leave the disk to other work. */
const AT_ONCE = 16;

/** Milliseconds between two readings of a file that seems half written, and the most readings. */
const SETTLE = 20;
const SETTLE_TRIES = 50;

/** The target of a token, and the line that defines it. */
interface TokenTarget {
  readonly host: Host;
  readonly file: string;
  readonly line: number;
}

/** The result of the last reading of a file. */
interface KnownFile {
  /** Empty: read the file again even if the file looks unchanged. */
  readonly stamp: string;
  readonly entries: readonly TokenLine[];
  /** Messages about the file. */
  readonly problems: readonly string[];
  /** The file exists, but could not be read. */
  readonly isUnreadable?: boolean;
}

/** A new reading of a file, possibly a failed reading; without a stamp, the file no longer exists. */
interface FileReading extends Partial<KnownFile> {
  readonly file: string;
}

/**
 * The tokens of all files. A token is valid only while a file contains it: an unreadable file has no valid tokens, and an invalid
 * line does not affect the other lines.
 */
export class TokenTable {
  readonly #files = new Map<string, KnownFile>();
  /**
   * By digest of the token, so that the time of a look-up reveals nothing about tokens. For a token in several files, the first
   * file by name counts, in whatever order the files were read.
   */
  readonly #targets = new Map<string, TokenTarget[]>();
  /** Files with a token that an earlier file defines, and the reported line. */
  readonly #shadowed = new Map<string, number>();

  get files(): string[] {
    return [...this.#files.keys()];
  }

  /** True if some file could not be read: the file may have a token that the table lacks. */
  get isIncomplete(): boolean {
    return [...this.#files.values()].some(({ isUnreadable }) => isUnreadable === true);
  }

  /** True if the table has no token. */
  get isEmpty(): boolean {
    return this.#targets.size === 0;
  }

  get(digest: string): TokenTarget | undefined {
    return this.#targets.get(digest)?.[0];
  }

  /** Is the file unchanged since it was last read? */
  async isCurrent(file: string): Promise<boolean> {
    const { stamp = '' } = this.#files.get(file) ?? {};
    return stamp !== '' && (await stampOf(file))?.text === stamp;
  }

  /** Reads the files; returns the new messages about them. */
  async read(files: readonly string[]): Promise<string[]> {
    const readings = await inParallel(files, (file) => this.#readSettled(file));
    const stale = await this.#staleOwners(readings);
    if (stale.length > 0) return this.read([...files, ...stale]);
    // Remove all files before adding any, since a token may have moved from one file to another.
    for (const { file } of readings) this.#remove(file);
    const problems = readings.flatMap((reading) => this.#add(reading));
    return [...problems, ...readings.flatMap((reading) => this.#shadowedBy(reading))];
  }

  /** The changed files among the given ones. */
  async changedOf(files: readonly string[]): Promise<string[]> {
    const isCurrent = await inParallel(files, (file) => this.isCurrent(file));
    return files.filter((_, index) => isCurrent[index] !== true);
  }

  /** Reads the changed files among the given ones. */
  async readChanged(files: readonly string[]): Promise<string[]> {
    return this.read(await this.changedOf(files));
  }

  clear(): void {
    this.#files.clear();
    this.#targets.clear();
    this.#shadowed.clear();
  }

  /**
   * Editors empty a file before they write the new lines, and scripts write line by line. So a file that has just changed, and has
   * lost tokens or ends within a line, is read again until the change is older: the port of an incomplete line may lack digits.
   */
  async #readSettled(file: string): Promise<FileReading> {
    for (let tries = SETTLE_TRIES; ; tries--) {
      // Take the stamp before reading, so that the next check notices a change in between.
      const stamp = await stampOf(file);
      if (!stamp || stamp.isFolder) return { file };
      if (stamp.isHuge === true)
        return { file, stamp: stamp.text, isUnreadable: true, problems: [`${file}: ${IS_HUGE}`] };
      const lines = await readLines(file).catch((error: unknown) => failureOf(error));
      // The next look-up reads a file again that could not be read (no descriptors left).
      if (lines instanceof FileFault)
        return {
          file,
          stamp: '',
          isUnreadable: true,
          problems: [`${lines.message}; none of its tokens is valid`],
        };
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

  /** Changed files with a token that another file now has. */
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

  #add({ file, stamp, entries = [], problems = [], isUnreadable = false }: FileReading): string[] {
    const { problems: known = [] } = this.#files.get(file) ?? {};
    this.#files.delete(file);
    if (stamp === undefined) this.#shadowed.delete(file);
    else this.#files.set(file, { stamp, entries, problems, isUnreadable });
    for (const { digest, host, line } of entries) {
      const targets = [...(this.#targets.get(digest) ?? []), { host, file, line }];
      if (targets.length > 1) targets.sort((a, b) => (a.file < b.file ? -1 : 1));
      this.#targets.set(digest, targets);
    }
    return problems.filter((problem) => !known.includes(problem));
  }

  /** New messages about tokens of the file that other files have too: one message per file whose line does not count. */
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

/** Returns errors about a file; rethrows any other error, which is a defect. */
function failureOf(error: unknown): FileFault {
  if (error instanceof FileFault) return error;
  throw error;
}

/** Leaves an incomplete last line to the next reading. */
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

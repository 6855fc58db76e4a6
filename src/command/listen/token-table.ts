import { CommandError } from '../exit.js';
import type { Host } from '../../types.js';
import { isThereTwice, readEntries, stampOf, type Entry } from './token-file.js';

/** Files that are looked at or read at once: the disk is for the tunnels' own files as well. */
const AT_ONCE = 16;

/** Where a token leads, and the file that says so. */
interface Target {
  readonly host: Host;
  readonly file: string;
}

/** A file as it was last read. */
interface Known {
  /** Empty: it is to be read again, though it may look the same. */
  readonly stamp: string;
  readonly entries: readonly Entry[];
  /** What is wrong with it. */
  readonly failure?: string | undefined;
}

/** A file that was read, or could not be; without a stamp it is gone. */
interface Reading {
  readonly file: string;
  readonly stamp?: string;
  readonly entries?: readonly Entry[];
  readonly failure?: CommandError;
}

/** The tokens of all files. A file that can't be read, or is wrong, keeps its old tokens; one that is gone has none. */
export class TokenTable {
  readonly #files = new Map<string, Known>();
  /** By digest of their token: what is looked up tells nothing by the time it takes. */
  readonly #targets = new Map<string, Target>();

  get files(): string[] {
    return [...this.#files.keys()];
  }

  get(digest: string): Target | undefined {
    return this.#targets.get(digest);
  }

  /** Is the file as it was when it was last read? */
  async isCurrent(file: string): Promise<boolean> {
    const { stamp = '' } = this.#files.get(file) ?? {};
    return stamp !== '' && (await stampOf(file))?.text === stamp;
  }

  /** Reads these files; returns what is wrong with them now and was not before. */
  async read(files: readonly string[]): Promise<CommandError[]> {
    const readings = await inParallel(files, readFile);
    const stale = await this.#staleOwners(readings);
    if (stale.length > 0) return this.read([...files, ...stale]);
    // A token may have moved from one of them to another.
    for (const { file, failure } of readings) if (!failure) this.#remove(file);
    return readings.flatMap((reading) => this.#add(reading) ?? []);
  }

  /** Those of them that are not as they were. */
  async changedOf(files: readonly string[]): Promise<string[]> {
    const isCurrent = await inParallel(files, (file) => this.isCurrent(file));
    return files.filter((_, index) => isCurrent[index] !== true);
  }

  /** Reads those of them that are not as they were. */
  async readChanged(files: readonly string[]): Promise<CommandError[]> {
    return this.read(await this.changedOf(files));
  }

  clear(): void {
    this.#files.clear();
    this.#targets.clear();
  }

  /** Files that had a token which is now in another one, and that have changed since. */
  async #staleOwners(readings: readonly Reading[]): Promise<string[]> {
    const owners = new Set<string>();
    for (const { digest } of readings.flatMap(({ entries = [] }) => entries)) {
      const owner = this.#targets.get(digest)?.file;
      if (owner !== undefined) owners.add(owner);
    }
    for (const { file } of readings) owners.delete(file);
    return this.changedOf([...owners]);
  }

  #remove(file: string): void {
    for (const { digest } of this.#files.get(file)?.entries ?? [])
      if (this.#targets.get(digest)?.file === file) this.#targets.delete(digest);
  }

  #add({ file, stamp, entries, failure }: Reading): CommandError | undefined {
    const known = this.#files.get(file);
    if (stamp === undefined) {
      this.#files.delete(file);
      return undefined;
    }
    const twice = entries?.find(({ digest }) => this.#targets.has(digest));
    const kept = entries && !twice ? entries : (known?.entries ?? []);
    for (const { digest, host } of kept)
      if (!this.#targets.has(digest)) this.#targets.set(digest, { host, file });
    const wrong = twice ? isThereTwice(file, twice.line) : failure;
    this.#files.set(file, { stamp, entries: kept, failure: wrong?.message });
    return wrong?.message === known?.failure ? undefined : wrong;
  }
}

async function readFile(file: string): Promise<Reading> {
  // Before it is read: a change in between is found the next time.
  const stamp = await stampOf(file);
  if (!stamp || stamp.isFolder) return { file };
  try {
    return { file, stamp: stamp.text, entries: await readEntries(file) };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    // What is wrong stays so until it is written anew; what could not be read (no descriptors left) may be right.
    return { file, stamp: error.cause === undefined ? stamp.text : '', failure: error };
  }
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
